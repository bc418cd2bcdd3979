-- The store of one vault in one SQLite file.
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE record (
    bucket INTEGER NOT NULL, -- first 16 bits of id
    id BLOB NOT NULL,        -- 32 bytes
    sealed BLOB NOT NULL,    -- a multiple of 512 bytes
    PRIMARY KEY (bucket, id)
) WITHOUT ROWID, STRICT;

CREATE TABLE bucket (        -- those that are not empty
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL       -- 32 bytes
) STRICT;

CREATE TABLE event (
    number INTEGER PRIMARY KEY, -- from 1 on, without gaps
    body BLOB NOT NULL
) STRICT;

CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    stored BLOB NOT NULL
) STRICT;
