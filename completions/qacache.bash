# bash completion for qacache; made from its own definitions. Source it, or put it where bash-completion finds it:
# ~/.local/share/bash-completion/completions/qacache

# names of files (-f) or folders (-d), and with "roots" the folders that were scanned
_qacache_names() {
    local IFS=$'\n' root
    COMPREPLY=($(compgen "$1" -- "$current"))
    if [[ $2 == roots ]]; then
        while read -r root; do
            [[ $root == "$current"* ]] && COMPREPLY+=("$root")
        done < <(qacache completions roots 2>/dev/null)
    fi
    compopt -o filenames 2>/dev/null
}

_qacache_words() {
    COMPREPLY=($(compgen -W "$1" -- "$current"))
}

_qacache() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= word
    COMPREPLY=()
    # --option=value comes in three words
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
        case "$command $word" in
            " scan") command="scan" ;;
            " lookup") command="lookup" ;;
            " find") command="find" ;;
            " why") command="why" ;;
            " probe") command="probe" ;;
            " reprobe") command="reprobe" ;;
            " failures") command="failures" ;;
            " export") command="export" ;;
            " import") command="import" ;;
            " scans") command="scans" ;;
            " diff") command="diff" ;;
            " dupes") command="dupes" ;;
            " stats") command="stats" ;;
            " config") command="config" ;;
            "config show") command="config show" ;;
            "config init") command="config init" ;;
            "config path") command="config path" ;;
            " doctor") command="doctor" ;;
            " migrate") command="migrate" ;;
            " vacuum") command="vacuum" ;;
            " backup") command="backup" ;;
            "backup create") command="backup create" ;;
            "backup list") command="backup list" ;;
            "backup verify") command="backup verify" ;;
            "backup restore") command="backup restore" ;;
            "backup prune") command="backup prune" ;;
            " serve") command="serve" ;;
            " token") command="token" ;;
            "token new") command="token new" ;;
            " completions") command="completions" ;;
        esac
    done
    case "$command $previous" in
        "scan --config" | "scan --db") _qacache_names -f; return ;;
        "scan --server" | "scan --jobs" | "scan --rate" | "scan --settle") :; return ;;
        "scan --engine") _qacache_words 'auto libav ffprobe'; return ;;
        "lookup --config" | "lookup --db") _qacache_names -f; return ;;
        "lookup --server" | "lookup --field" | "lookup --verify-deadline") :; return ;;
        "find --name" | "find --min-width" | "find --max-width" | "find --min-height" | "find --max-height" | "find --codec" | "find --audio-codec" | "find --container" | "find --longer-than" | "find --shorter-than" | "find --bigger-than" | "find --smaller-than" | "find --modified-since" | "find --modified-before" | "find --where" | "find --where-timeout" | "find --limit" | "find --server") :; return ;;
        "find --under") _qacache_names -f roots; return ;;
        "find --status") _qacache_words 'ok failed vanished any'; return ;;
        "find --orientation") _qacache_words 'landscape portrait square'; return ;;
        "find --resolution") _qacache_words '8k 4k sd 4320p 2160p 1440p 1080p 720p 576p 480p 360p 240p smaller'; return ;;
        "find --hdr-format") _qacache_words 'sdr hdr10 hlg dolby-vision'; return ;;
        "find --sort") _qacache_words 'path status size mtime_ns duration_s digest first_seen format_name video_codec audio_codec orientation hdr display_width display_height bit_rate width height rotation prober probed_at avg_frame_rate error error_message random -path -status -size -mtime_ns -duration_s -digest -first_seen -format_name -video_codec -audio_codec -orientation -hdr -display_width -display_height -bit_rate -width -height -rotation -prober -probed_at -avg_frame_rate -error -error_message -random'; return ;;
        "find --columns") _qacache_words 'path status last_seen size mtime_ns digest first_seen probed_at prober format_name duration_s bit_rate width height display_width display_height rotation orientation hdr video_codec audio_codec avg_frame_rate error error_message'; return ;;
        "find --format") _qacache_words 'table tsv csv ndjson m3u8 paths'; return ;;
        "find --config" | "find --db") _qacache_names -f; return ;;
        "why --config" | "why --db") _qacache_names -f; return ;;
        "probe --config") _qacache_names -f; return ;;
        "probe --engine") _qacache_words 'auto libav ffprobe'; return ;;
        "reprobe --config" | "reprobe --db") _qacache_names -f; return ;;
        "reprobe --server" | "reprobe --jobs" | "reprobe --rate") :; return ;;
        "reprobe --engine") _qacache_words 'auto libav ffprobe'; return ;;
        "failures --config" | "failures --db") _qacache_names -f; return ;;
        "failures --server" | "failures --since" | "failures --reason" | "failures --jobs" | "failures --rate") :; return ;;
        "failures --engine") _qacache_words 'auto libav ffprobe'; return ;;
        "export --name" | "export --min-width" | "export --max-width" | "export --min-height" | "export --max-height" | "export --codec" | "export --audio-codec" | "export --container" | "export --longer-than" | "export --shorter-than" | "export --bigger-than" | "export --smaller-than" | "export --modified-since" | "export --modified-before" | "export --where" | "export --where-timeout" | "export --since") :; return ;;
        "export --under") _qacache_names -f roots; return ;;
        "export --status") _qacache_words 'ok failed vanished any'; return ;;
        "export --orientation") _qacache_words 'landscape portrait square'; return ;;
        "export --resolution") _qacache_words '8k 4k sd 4320p 2160p 1440p 1080p 720p 576p 480p 360p 240p smaller'; return ;;
        "export --hdr-format") _qacache_words 'sdr hdr10 hlg dolby-vision'; return ;;
        "export --format") _qacache_words 'ndjson csv sqlite'; return ;;
        "export --output" | "export -o" | "export --config" | "export --db") _qacache_names -f; return ;;
        "import --map") :; return ;;
        "import --config" | "import --db") _qacache_names -f; return ;;
        "scans --limit" | "scans --server") :; return ;;
        "scans --config" | "scans --db") _qacache_names -f; return ;;
        "diff --limit") :; return ;;
        "diff --under") _qacache_names -f roots; return ;;
        "diff --config" | "diff --db") _qacache_names -f; return ;;
        "dupes --under" | "dupes --keep-under") _qacache_names -f roots; return ;;
        "dupes --min-size" | "dupes --limit" | "dupes --server") :; return ;;
        "dupes --keep") _qacache_words 'newest oldest shortest-path longest-path first-path'; return ;;
        "dupes --config" | "dupes --db") _qacache_names -f; return ;;
        "stats --under") _qacache_names -f roots; return ;;
        "stats --config" | "stats --db") _qacache_names -f; return ;;
        "config show --config" | "config show --db") _qacache_names -f; return ;;
        "config init --config" | "config init --db") _qacache_names -f; return ;;
        "config path --config" | "config path --db") _qacache_names -f; return ;;
        "doctor --config" | "doctor --db") _qacache_names -f; return ;;
        "migrate --config" | "migrate --db") _qacache_names -f; return ;;
        "vacuum --config" | "vacuum --db") _qacache_names -f; return ;;
        "backup create --config" | "backup create --db") _qacache_names -f; return ;;
        "backup list --config" | "backup list --db") _qacache_names -f; return ;;
        "backup verify --config" | "backup verify --db") _qacache_names -f; return ;;
        "backup restore --config" | "backup restore --db") _qacache_names -f; return ;;
        "backup prune --config" | "backup prune --db") _qacache_names -f; return ;;
        "serve --config" | "serve --db") _qacache_names -f; return ;;
        "serve --addr" | "serve --jobs" | "serve --rate") :; return ;;
        "serve --engine") _qacache_words 'auto libav ffprobe'; return ;;
        "token new --scope") _qacache_words 'read write'; return ;;
        "token new --file") _qacache_names -f; return ;;
        "completions --config" | "completions --db") _qacache_names -f; return ;;
    esac
    if [[ $current == -* ]]; then
        case "$command" in
            "") _qacache_words '--version --json -h --help' ;;
            "scan") _qacache_words '--config --db --server --engine --jobs --rate --settle --force --verify-digest --dry-run --accept-shrink --json -h --help' ;;
            "lookup") _qacache_words '--config --db --server --stdin -0 --field --verify --verify-deadline --probe-missing --json -h --help' ;;
            "find") _qacache_words '--name --under --status --orientation --resolution --min-width --max-width --min-height --max-height --codec --audio-codec --container --hdr --hdr-format --longer-than --shorter-than --bigger-than --smaller-than --modified-since --modified-before --where --where-timeout --sort --random --limit --columns --format --print0 -0 --json --config --db --server -h --help' ;;
            "why") _qacache_words '--config --db --json -h --help' ;;
            "probe") _qacache_words '--config --engine --json -h --help' ;;
            "reprobe") _qacache_words '--config --db --server --engine --failed --jobs --rate --json -h --help' ;;
            "failures") _qacache_words '--config --db --server --since --reason --retry --engine --jobs --rate --json -h --help' ;;
            "export") _qacache_words '--name --under --status --orientation --resolution --min-width --max-width --min-height --max-height --codec --audio-codec --container --hdr --hdr-format --longer-than --shorter-than --bigger-than --smaller-than --modified-since --modified-before --where --where-timeout --since --format --output -o --raw --config --db --json -h --help' ;;
            "import") _qacache_words '--map --replace --dry-run --config --db --json -h --help' ;;
            "scans") _qacache_words '--limit --config --db --server --json -h --help' ;;
            "diff") _qacache_words '--limit --under --config --db --json -h --help' ;;
            "dupes") _qacache_words '--under --min-size --limit --verify --keep --keep-under --print0 -0 --config --db --server --json -h --help' ;;
            "stats") _qacache_words '--under --config --db --json -h --help' ;;
            "config") _qacache_words '-h --help' ;;
            "config show") _qacache_words '--config --db --json -h --help' ;;
            "config init") _qacache_words '--config --db --json -h --help' ;;
            "config path") _qacache_words '--config --db --json -h --help' ;;
            "doctor") _qacache_words '--config --db --json -h --help' ;;
            "migrate") _qacache_words '--config --db --check --json -h --help' ;;
            "vacuum") _qacache_words '--config --db --dry-run --full --json -h --help' ;;
            "backup") _qacache_words '-h --help' ;;
            "backup create") _qacache_words '--prune --config --db --json -h --help' ;;
            "backup list") _qacache_words '--config --db --json -h --help' ;;
            "backup verify") _qacache_words '--config --db --json -h --help' ;;
            "backup restore") _qacache_words '--config --db --json -h --help' ;;
            "backup prune") _qacache_words '--dry-run --config --db --json -h --help' ;;
            "serve") _qacache_words '--config --db --addr --engine --jobs --rate -h --help' ;;
            "token") _qacache_words '-h --help' ;;
            "token new") _qacache_words '--scope --file -h --help' ;;
            "completions") _qacache_words '--config --db -h --help' ;;
        esac
        return
    fi
    case "$command" in
        "") _qacache_words 'scan lookup find why probe reprobe failures export import scans diff dupes stats config doctor migrate vacuum backup serve token completions' ;;
        "scan") _qacache_names -d roots ;;
        "lookup") _qacache_names -f roots ;;
        "find") : ;;
        "why") _qacache_names -f roots ;;
        "probe") _qacache_names -f ;;
        "reprobe") _qacache_names -f roots ;;
        "failures") _qacache_names -f roots ;;
        "export") _qacache_names -f roots ;;
        "import") _qacache_names -f ;;
        "diff") : ;;
        "config") _qacache_words 'show init path' ;;
        "backup") _qacache_words 'create list verify restore prune' ;;
        "backup create") _qacache_names -d roots ;;
        "backup list") _qacache_names -d roots ;;
        "backup verify") _qacache_names -f roots ;;
        "backup restore") _qacache_names -f roots ;;
        "backup prune") _qacache_names -d roots ;;
        "token") _qacache_words new ;;
        "token new") : ;;
        "completions") _qacache_words 'bash zsh fish roots' ;;
    esac
}

complete -F _qacache qacache
