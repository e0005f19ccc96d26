-- ot-sensor store, version 2: versions of program blocks and files that crossed the network.

CREATE TABLE program_version (
    number      INTEGER PRIMARY KEY,
    device      INTEGER NOT NULL,
    protocol    TEXT NOT NULL,
    kind        TEXT NOT NULL,             -- 'block', 'file'
    name        TEXT NOT NULL,
    sha256      TEXT NOT NULL,             -- over the bytes that were seen
    length      INTEGER NOT NULL,          -- of the whole
    complete    INTEGER NOT NULL,          -- whether all of its bytes were seen
    accepted    INTEGER NOT NULL,          -- whether it was ever moved without being refused
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    file        INTEGER NOT NULL,          -- of the frame that first completed it
    frame       INTEGER NOT NULL,
    last_file   INTEGER NOT NULL,          -- of the frame that last completed it
    last_frame  INTEGER NOT NULL,
    read        INTEGER NOT NULL,          -- how often it was read out
    written     INTEGER NOT NULL,
    readers     TEXT NOT NULL,             -- device ids, separated by a comma
    writers     TEXT NOT NULL
);
CREATE INDEX program_version_block ON program_version (device, name);
CREATE INDEX program_version_sha256 ON program_version (sha256);

-- What the header of a version says.
CREATE TABLE program_attribute (
    version INTEGER NOT NULL REFERENCES program_version (number) ON DELETE CASCADE,
    place   INTEGER NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (version, place)
) WITHOUT ROWID;

-- The bytes of the versions whose bytes are kept: apart, so that counting a version does not write them again.
CREATE TABLE program_bytes (
    version INTEGER PRIMARY KEY REFERENCES program_version (number) ON DELETE CASCADE,
    bytes   BLOB NOT NULL
);

-- A replay that was interrupted before this migration had no versions before it: it resumes from empty copies. The end
-- of the next run drops them.
CREATE TABLE before_program_version AS SELECT * FROM program_version;
CREATE TABLE before_program_attribute AS SELECT * FROM program_attribute;
CREATE TABLE before_program_bytes AS SELECT * FROM program_bytes;
