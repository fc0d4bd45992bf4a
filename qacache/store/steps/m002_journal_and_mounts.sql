CREATE TABLE change (
    id INTEGER PRIMARY KEY,
    scan_id INTEGER REFERENCES scan (id) ON DELETE CASCADE, -- NULL: found since the last one, the next one's
    kind TEXT NOT NULL CHECK (kind IN ('added', 'removed', 'moved', 'replaced', 're-encoded')),
    path BLOB NOT NULL,
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
CREATE INDEX change_scan ON change (scan_id, kind);
CREATE INDEX change_path ON change (path);
CREATE INDEX change_from_path ON change (from_path) WHERE from_path IS NOT NULL;

-- how many complete scans of a root above did not see it, of what vanished
ALTER TABLE file ADD COLUMN away INTEGER NOT NULL DEFAULT 0;

ALTER TABLE root ADD COLUMN filesystem TEXT;    -- type, such as nfs4; NULL: not known
ALTER TABLE root ADD COLUMN source TEXT;        -- what is mounted, such as nas:/volume1/media
ALTER TABLE root ADD COLUMN inode INTEGER;      -- of the folder

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
