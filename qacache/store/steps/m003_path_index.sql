CREATE VIRTUAL TABLE path_trigram
    USING fts5 (path, content = '', columnsize = 0, detail = none, tokenize = 'trigram');
INSERT INTO path_trigram (rowid, path)
    SELECT id, coalesce(path_text, CAST(coalesce(nfc_path, path) AS TEXT)) FROM file;
DELETE FROM unindexed;
