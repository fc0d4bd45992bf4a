-- What many files have in common. In a library of a million there are a thousand kinds: what fits is found by them.
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
CREATE INDEX kind_all ON kind (format_name, video_codec, audio_codec, orientation, hdr, display_width, display_height);
INSERT INTO kind (format_name, video_codec, audio_codec, orientation, hdr, display_width, display_height) SELECT DISTINCT format_name, video_codec, audio_codec, orientation, hdr, display_width, display_height FROM media;

-- of the media of a file, where there are any
ALTER TABLE file ADD COLUMN kind_id INTEGER;
ALTER TABLE file ADD COLUMN length_s REAL;
UPDATE file SET (kind_id, length_s) = (
    SELECT kind.id, media.duration_s FROM media, kind WHERE media.file_id = file.id AND 
    kind.format_name IS media.format_name AND kind.video_codec IS media.video_codec
    AND kind.audio_codec IS media.audio_codec AND kind.orientation IS media.orientation AND kind.hdr IS media.hdr
    AND kind.display_width IS media.display_width AND kind.display_height IS media.display_height

);
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

-- Both hold all that files are chosen by, so that a search has to look at nothing else, even if it looks at all of one.
DROP INDEX file_walk;
CREATE INDEX file_walk ON file (path, size, mtime_ns, status, kind_id, length_s, path_text, nfc_path);
CREATE INDEX file_size ON file (size, status, kind_id, length_s, mtime_ns);

-- the files that the index of paths does not have yet: many at a time take it a third of the time
CREATE TABLE unindexed (file_id INTEGER PRIMARY KEY);
INSERT INTO unindexed (file_id) SELECT id FROM file;
CREATE TRIGGER file_added AFTER INSERT ON file BEGIN
    INSERT INTO unindexed (file_id) VALUES (NEW.id);
END;
CREATE TRIGGER file_removed AFTER DELETE ON file BEGIN
    DELETE FROM unindexed WHERE file_id = OLD.id;
END;
