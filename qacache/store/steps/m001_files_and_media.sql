CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,          -- as the operating system has it
    path_text TEXT,                     -- only where path is no UTF-8: with replacement characters
    nfc_path BLOB,                      -- only where it differs: path in Unicode form NFC
    size INTEGER NOT NULL,              -- bytes
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    device INTEGER NOT NULL,
    digest BLOB,                        -- xxh3_128 of size, head, middle and tail
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'vanished')),
    first_seen_ms INTEGER NOT NULL,     -- since the epoch
    last_seen_ms INTEGER NOT NULL,      -- by itself; a complete scan of a root above has seen it, too, unless
    unlisted INTEGER NOT NULL DEFAULT 0 -- its folder could not be listed in the last scan
);
-- all that the merge join reads: of millions of rows a third of the bytes
CREATE INDEX file_walk ON file (path, size, mtime_ns, status);
CREATE INDEX file_digest ON file (digest) WHERE digest IS NOT NULL;
-- of content that is known, to reuse its probe
CREATE INDEX file_content ON file (digest, size) WHERE digest IS NOT NULL AND status <> 'failed';
CREATE INDEX file_nfc_path ON file (nfc_path) WHERE nfc_path IS NOT NULL;
CREATE INDEX file_not_ok ON file (path) WHERE status <> 'ok';
CREATE INDEX file_unlisted ON file (path) WHERE unlisted;

CREATE TABLE media (
    file_id INTEGER PRIMARY KEY REFERENCES file (id) ON DELETE CASCADE,
    prober TEXT NOT NULL,
    parser_version INTEGER NOT NULL,
    probed_ms INTEGER NOT NULL,
    format_name TEXT NOT NULL,
    duration_s REAL,
    bit_rate INTEGER,
    width INTEGER,
    height INTEGER,
    display_width INTEGER,
    display_height INTEGER,
    rotation INTEGER,
    orientation TEXT,
    hdr TEXT,
    video_codec TEXT,
    audio_codec TEXT,
    avg_frame_rate TEXT,
    tags TEXT NOT NULL,                 -- a JSON object
    streams TEXT NOT NULL               -- a JSON array
);

CREATE TABLE raw_probe (
    file_id INTEGER PRIMARY KEY REFERENCES file (id) ON DELETE CASCADE,
    json BLOB NOT NULL                  -- what the prober said, zlib
);

CREATE TABLE failure (
    file_id INTEGER PRIMARY KEY REFERENCES file (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    prober TEXT,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failed_ms INTEGER NOT NULL,
    next_retry_ms INTEGER NOT NULL
);

CREATE TABLE scan (
    id INTEGER PRIMARY KEY,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER,                -- NULL: it runs, or died
    state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'interrupted', 'failed')),
    roots TEXT NOT NULL,                -- a JSON array
    summary TEXT                        -- a JSON object: counts by outcome
);

CREATE TABLE root (
    path BLOB PRIMARY KEY,
    real_path BLOB NOT NULL,            -- without symbolic links
    lower BLOB NOT NULL,                -- lower <= path < upper: the paths below
    upper BLOB NOT NULL,
    scanned_ms INTEGER NOT NULL,        -- the start of its last complete scan
    file_count INTEGER NOT NULL         -- what that scan found
);

CREATE VIEW videos AS
SELECT
    file.id,
    coalesce(file.path_text, CAST(file.path AS TEXT)) AS path,
    file.size,
    strftime('%Y-%m-%dT%H:%M:%fZ', file.mtime_ns / 1e9, 'unixepoch') AS modified,
    file.mtime_ns,
    nullif(lower(hex(file.digest)), '') AS digest,
    file.status,
    strftime('%Y-%m-%dT%H:%M:%fZ', file.first_seen_ms / 1e3, 'unixepoch') AS first_seen,
    strftime('%Y-%m-%dT%H:%M:%fZ', CASE
        WHEN file.status = 'vanished' OR file.unlisted THEN file.last_seen_ms
        ELSE max(file.last_seen_ms, coalesce((
            SELECT max(root.scanned_ms) FROM root WHERE file.path >= root.lower AND file.path < root.upper
        ), 0))
    END / 1e3, 'unixepoch') AS last_seen,
    strftime('%Y-%m-%dT%H:%M:%fZ', media.probed_ms / 1e3, 'unixepoch') AS probed_at,
    media.prober,
    media.format_name,
    media.duration_s,
    media.bit_rate,
    media.width,
    media.height,
    media.display_width,
    media.display_height,
    media.rotation,
    media.orientation,
    media.hdr,
    media.video_codec,
    media.audio_codec,
    media.avg_frame_rate,
    media.tags,
    media.streams
FROM file LEFT JOIN media ON media.file_id = file.id;

CREATE VIEW failures AS
SELECT
    file.id,
    coalesce(file.path_text, CAST(file.path AS TEXT)) AS path,
    file.size,
    failure.stage,
    failure.reason,
    failure.message,
    failure.prober,
    failure.attempts,
    strftime('%Y-%m-%dT%H:%M:%fZ', failure.failed_ms / 1e3, 'unixepoch') AS failed_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', failure.next_retry_ms / 1e3, 'unixepoch') AS next_retry
FROM failure JOIN file ON file.id = failure.file_id
WHERE file.status = 'failed';

CREATE VIEW duplicates AS
SELECT
    lower(hex(file.digest)) AS digest,
    file.size,
    count(*) AS files,
    (count(*) - 1) * file.size AS wasted
FROM file
WHERE file.digest IS NOT NULL AND file.status <> 'vanished'
GROUP BY file.digest
HAVING count(*) > 1;

CREATE VIEW scans AS
SELECT
    scan.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', scan.started_ms / 1e3, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', scan.finished_ms / 1e3, 'unixepoch') AS finished_at,
    scan.state,
    scan.roots,
    scan.summary
FROM scan;
