PRAGMA application_id = 1902207841;
PRAGMA user_version = 5;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'qacache','m001_files_and_media','2026-11-22 21:43:57.023792+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'qacache','m002_journal_and_mounts','2026-11-22 21:43:57.025511+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'qacache','m003_search','2026-11-22 21:43:57.027879+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'qacache','m004_proofs','2026-11-22 21:43:57.028271+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'qacache','m005_compact','2026-11-22 21:43:57.032474+00:00');
CREATE TABLE "change" (
    id INTEGER PRIMARY KEY,
    scan_id INTEGER REFERENCES scan (id) ON DELETE CASCADE, -- NULL: found since the last one, the next one's
    kind TEXT NOT NULL CHECK (kind IN ('added', 'removed', 'moved', 'replaced', 're-encoded')),
    path BLOB NOT NULL,
    path_key INTEGER NOT NULL,          -- CRC-32 of path, less 2^31
    path_text TEXT,                     -- only where path is no UTF-8: with replacement characters
    from_path BLOB,                     -- where it was before, of what was moved or has another extension now
    from_path_text TEXT,
    changed_ms INTEGER NOT NULL,        -- since the epoch
    size_before INTEGER,                -- bytes; NULL: it was not there
    digest_before BLOB,
    codec_before TEXT,                  -- of the main video
    duration_before_s REAL,
    size_after INTEGER,                 -- bytes; NULL: it is not there any more
    digest_after BLOB,
    codec_after TEXT,
    duration_after_s REAL
);
INSERT INTO "change" VALUES(1,1,'added',X'2F762F612E6D7034',369995425,NULL,NULL,NULL,1800000000000,NULL,NULL,NULL,NULL,1001,X'27C35E6E9373877F29E562464E46497E','h264',1.5);
INSERT INTO "change" VALUES(2,1,'added',X'2F762F62726F6B656E2E6D7034',1040599209,NULL,NULL,NULL,1800000000000,NULL,NULL,NULL,NULL,1001,X'96172B4C53372CD10FADDC821BFE0318',NULL,NULL);
INSERT INTO "change" VALUES(3,1,'added',X'2F762F63616665CC812E6D6B76',-1366636965,NULL,NULL,NULL,1800000000000,NULL,NULL,NULL,NULL,1001,X'27C35E6E9373877F29E562464E46497E','h264',1.5);
INSERT INTO "change" VALUES(4,1,'added',X'2F762F636166E92E6D7034',-564537715,'/v/caf�.mp4',NULL,NULL,1800000000000,NULL,NULL,NULL,NULL,1001,X'CAEC17F4B8159D486CA352209A0FC2D5','h264',1.5);
INSERT INTO "change" VALUES(5,1,'added',X'2F762F676F6E652E6D7034',-1838580524,NULL,NULL,NULL,1800000000000,NULL,NULL,NULL,NULL,1001,X'0DF333348BB2C4F0605E010B6706F5BB','h264',1.5);
INSERT INTO "change" VALUES(6,NULL,'removed',X'2F762F676F6E652E6D7034',-1838580524,NULL,NULL,NULL,1800000100000,1001,X'0DF333348BB2C4F0605E010B6706F5BB','h264',1.5,NULL,NULL,NULL,NULL);
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
INSERT INTO "failure" VALUES(2,'probe','invalid-data','no','fake 1',1001,1700000000123456789,1,1800000000000,1800000060000);
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
, away INTEGER NOT NULL DEFAULT 0, kind_id INTEGER, length_s REAL);
INSERT INTO "file" VALUES(1,X'2F762F612E6D7034',NULL,NULL,1001,1700000000123456789,7,8,X'27C35E6E9373877F29E562464E46497E','ok',1800000000000,1800000000000,0,0,1,1.5);
INSERT INTO "file" VALUES(2,X'2F762F62726F6B656E2E6D7034',NULL,NULL,1001,1700000000123456789,7,8,X'96172B4C53372CD10FADDC821BFE0318','failed',1800000000000,1800000000000,0,0,NULL,NULL);
INSERT INTO "file" VALUES(3,X'2F762F63616665CC812E6D6B76',NULL,X'2F762F636166C3A92E6D6B76',1001,1700000000123456789,-1,8,X'27C35E6E9373877F29E562464E46497E','ok',1800000000000,1800000000000,0,0,1,1.5);
INSERT INTO "file" VALUES(4,X'2F762F636166E92E6D7034','/v/caf�.mp4',NULL,1001,1700000000123456789,7,8,X'CAEC17F4B8159D486CA352209A0FC2D5','ok',1800000000000,1800000000000,0,0,1,1.5);
INSERT INTO "file" VALUES(5,X'2F762F676F6E652E6D7034',NULL,NULL,1001,1700000000123456789,7,8,X'0DF333348BB2C4F0605E010B6706F5BB','vanished',1800000000000,1800000000000,0,0,1,1.5);
CREATE TABLE kind (
    id INTEGER PRIMARY KEY,
    format_name TEXT,
    video_codec TEXT,
    audio_codec TEXT,
    orientation TEXT,
    hdr TEXT,
    display_width INTEGER,
    display_height INTEGER
);
INSERT INTO "kind" VALUES(1,'matroska,webm','h264',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE layout (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given again: readers remember what they stand for
    checksum INTEGER NOT NULL,          -- CRC-32 of json
    json TEXT NOT NULL                  -- an object, but for what holds the place of values: char(1), (2), (3)
);
INSERT INTO "layout" VALUES(1,3155392436,'{"index":0,"codec_type":"video","codec_name":"h264","width":64,"height":48,"disposition":{"default":1}}');
CREATE TABLE "media" (
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
    layouts TEXT NOT NULL               -- a JSON array: of each stream the id of its layout, and its own values
);
INSERT INTO "media" VALUES(1,'fake 1',3,1800000000000,'matroska,webm',1.5,NULL,64,48,NULL,NULL,NULL,NULL,NULL,'h264',NULL,NULL,'{"title":"a"}','[[1]]');
INSERT INTO "media" VALUES(3,'fake 1',3,1800000000000,'matroska,webm',1.5,NULL,64,48,NULL,NULL,NULL,NULL,NULL,'h264',NULL,NULL,'{"title":"a"}','[[1]]');
INSERT INTO "media" VALUES(4,'fake 1',3,1800000000000,'matroska,webm',1.5,NULL,64,48,NULL,NULL,NULL,NULL,NULL,'h264',NULL,NULL,'{"title":"c"}','[[1]]');
INSERT INTO "media" VALUES(5,'fake 1',3,1800000000000,'matroska,webm',1.5,NULL,64,48,NULL,NULL,NULL,NULL,NULL,'h264',NULL,NULL,'{"title":"d"}','[[1]]');
CREATE TABLE proof (
    file_id INTEGER NOT NULL REFERENCES file (id) ON DELETE CASCADE,
    length INTEGER NOT NULL,            -- bytes from the beginning: all, or up to where it differs from another
    hash BLOB NOT NULL,                 -- xxh3_128 of these
    size INTEGER NOT NULL,              -- of the file
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    PRIMARY KEY (file_id, length)
) WITHOUT ROWID;
INSERT INTO "proof" VALUES(1,1001,X'628A7314EAB6AB917262DDF9A83A4A3D',1001,1700000000123456789,1700000001000000000,7);
CREATE TABLE "raw_probe" (
    file_id INTEGER PRIMARY KEY REFERENCES file (id) ON DELETE CASCADE,
    json BLOB NOT NULL                  -- what the prober said, zlib, mostly with a dictionary
);
INSERT INTO "raw_probe" VALUES(1,X'78BB4B4350F5434CF6002B1C001F8B043E');
INSERT INTO "raw_probe" VALUES(3,X'78BB4B4350F5434CF6002B1C001F8B043E');
INSERT INTO "raw_probe" VALUES(4,X'78BB4B4350F5434CF6242BD502001F910440');
INSERT INTO "raw_probe" VALUES(5,X'78BB4B4350F5434CF6A428D502001F940441');
CREATE TABLE root (
    path BLOB PRIMARY KEY,
    real_path BLOB NOT NULL,            -- without symbolic links
    lower BLOB NOT NULL,                -- lower <= path < upper: the paths below
    upper BLOB NOT NULL,
    scanned_ms INTEGER NOT NULL,        -- the start of its last complete scan
    file_count INTEGER NOT NULL         -- what that scan found
, filesystem TEXT, source TEXT, inode INTEGER);
INSERT INTO "root" VALUES(X'2F76',X'2F7265616C2F76',X'2F762F',X'2F7630',1800000000000,5,'nfs4','nas:/v',2);
CREATE TABLE scan (
    id INTEGER PRIMARY KEY,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER,                -- NULL: it runs, or died
    state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'interrupted', 'failed')),
    roots TEXT NOT NULL,                -- a JSON array
    summary TEXT                        -- a JSON object: counts by outcome
);
INSERT INTO "scan" VALUES(1,1800000000000,1800000000000,'complete','["/v"]','{"found": 5, "changes": {"added": 5}}');
CREATE TABLE unindexed (file_id INTEGER PRIMARY KEY);
INSERT INTO "unindexed" VALUES(1);
INSERT INTO "unindexed" VALUES(2);
INSERT INTO "unindexed" VALUES(3);
INSERT INTO "unindexed" VALUES(4);
INSERT INTO "unindexed" VALUES(5);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX file_nfc_path ON file (nfc_path) WHERE nfc_path IS NOT NULL;
CREATE INDEX file_not_ok ON file (path) WHERE status <> 'ok';
CREATE INDEX file_unlisted ON file (path) WHERE unlisted;
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
CREATE VIEW scans AS
SELECT
    scan.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', scan.started_ms / 1e3, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', scan.finished_ms / 1e3, 'unixepoch') AS finished_at,
    scan.state,
    scan.roots,
    scan.summary
FROM scan;
CREATE INDEX kind_all ON kind (format_name, video_codec, audio_codec, orientation, hdr, display_width, display_height);
CREATE INDEX file_walk ON file (path, size, mtime_ns, status, kind_id, length_s, path_text, nfc_path);
CREATE INDEX file_size ON file (size, status, kind_id, length_s, mtime_ns);
CREATE TRIGGER file_added AFTER INSERT ON file BEGIN
    INSERT INTO unindexed (file_id) VALUES (NEW.id);
END;
CREATE TRIGGER file_removed AFTER DELETE ON file BEGIN
    DELETE FROM unindexed WHERE file_id = OLD.id;
END;
CREATE INDEX file_digest ON file (digest, size, device, inode, status) WHERE digest IS NOT NULL;
CREATE VIEW duplicates AS
SELECT
    lower(hex(file.digest)) AS digest,
    file.size,
    count(*) AS files,
    count(DISTINCT file.device || ' ' || file.inode) AS copies, -- hard links are names of one
    (count(DISTINCT file.device || ' ' || file.inode) - 1) * file.size AS wasted
FROM file
WHERE file.digest IS NOT NULL AND file.status <> 'vanished'
GROUP BY file.digest, file.size
HAVING copies > 1;
CREATE INDEX layout_checksum ON layout (checksum);
CREATE INDEX change_scan ON change (scan_id, kind);
CREATE INDEX change_path ON change (path_key);
CREATE INDEX change_from_path ON change (from_path) WHERE from_path IS NOT NULL;
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
    -- by json_each alone: other functions of JSON may not be used by views of a schema that is not trusted
    CASE WHEN media.layouts IS NOT NULL THEN '[' || coalesce((
        SELECT group_concat(replace(replace(replace(layout.json,
            char(1), coalesce((SELECT value FROM json_each(part.value, '$[1]')), '')),
            char(2), coalesce((SELECT value FROM json_each(part.value, '$[2]')), '')),
            char(3), coalesce((SELECT value FROM json_each(part.value, '$[3]')), '')), ',')
        -- in the order of the array
        FROM json_each(media.layouts) AS part
        CROSS JOIN layout ON layout.id = (SELECT value FROM json_each(part.value, '$[0]'))
    ), '') || ']' END AS streams
FROM file LEFT JOIN media ON media.file_id = file.id;
CREATE VIEW changes AS
SELECT
    change.id,
    change.scan_id,
    change.kind,
    coalesce(change.path_text, CAST(change.path AS TEXT)) AS path,
    coalesce(change.from_path_text, CAST(change.from_path AS TEXT)) AS from_path,
    strftime('%Y-%m-%dT%H:%M:%fZ', change.changed_ms / 1e3, 'unixepoch') AS changed_at,
    change.size_before,
    change.size_after,
    coalesce(change.size_after, 0) - coalesce(change.size_before, 0) AS size_delta,
    change.codec_before,
    change.codec_after,
    change.duration_before_s,
    change.duration_after_s
FROM change;
CREATE TRIGGER media_added AFTER INSERT ON media BEGIN 
    INSERT INTO kind (format_name, video_codec, audio_codec, orientation, hdr, display_width, display_height) SELECT NEW.format_name, NEW.video_codec, NEW.audio_codec, NEW.orientation, NEW.hdr, NEW.display_width, NEW.display_height
        WHERE NOT EXISTS (SELECT 1 FROM kind WHERE 
    kind.format_name IS NEW.format_name AND kind.video_codec IS NEW.video_codec
    AND kind.audio_codec IS NEW.audio_codec AND kind.orientation IS NEW.orientation AND kind.hdr IS NEW.hdr
    AND kind.display_width IS NEW.display_width AND kind.display_height IS NEW.display_height
);
    UPDATE file SET length_s = NEW.duration_s, kind_id = (SELECT id FROM kind WHERE 
    kind.format_name IS NEW.format_name AND kind.video_codec IS NEW.video_codec
    AND kind.audio_codec IS NEW.audio_codec AND kind.orientation IS NEW.orientation AND kind.hdr IS NEW.hdr
    AND kind.display_width IS NEW.display_width AND kind.display_height IS NEW.display_height
)
        WHERE id = NEW.file_id;
 END;
CREATE TRIGGER media_changed AFTER UPDATE ON media BEGIN 
    INSERT INTO kind (format_name, video_codec, audio_codec, orientation, hdr, display_width, display_height) SELECT NEW.format_name, NEW.video_codec, NEW.audio_codec, NEW.orientation, NEW.hdr, NEW.display_width, NEW.display_height
        WHERE NOT EXISTS (SELECT 1 FROM kind WHERE 
    kind.format_name IS NEW.format_name AND kind.video_codec IS NEW.video_codec
    AND kind.audio_codec IS NEW.audio_codec AND kind.orientation IS NEW.orientation AND kind.hdr IS NEW.hdr
    AND kind.display_width IS NEW.display_width AND kind.display_height IS NEW.display_height
);
    UPDATE file SET length_s = NEW.duration_s, kind_id = (SELECT id FROM kind WHERE 
    kind.format_name IS NEW.format_name AND kind.video_codec IS NEW.video_codec
    AND kind.audio_codec IS NEW.audio_codec AND kind.orientation IS NEW.orientation AND kind.hdr IS NEW.hdr
    AND kind.display_width IS NEW.display_width AND kind.display_height IS NEW.display_height
)
        WHERE id = NEW.file_id;
 END;
CREATE TRIGGER media_removed AFTER DELETE ON media BEGIN
    UPDATE file SET kind_id = NULL, length_s = NULL WHERE id = OLD.file_id;
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('layout',1);
COMMIT;
CREATE VIRTUAL TABLE path_trigram
    USING fts5 (path, content = '', columnsize = 0, detail = none, tokenize = 'trigram');
