-- ot-sensor store, version 9: devices that have a learning time of their own.

CREATE TABLE device_learning (
    device INTEGER PRIMARY KEY,
    until  INTEGER NOT NULL,               -- packet time
    whole  INTEGER NOT NULL                -- whether the device itself is learned, not only what it does
);
