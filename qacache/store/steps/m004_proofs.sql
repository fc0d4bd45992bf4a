-- what is in files that were compared with others, as long as they are what they were then
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

-- all that duplicates are counted by
DROP INDEX file_digest;
CREATE INDEX file_digest ON file (digest, size, device, inode, status) WHERE digest IS NOT NULL;

DROP VIEW duplicates;
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
