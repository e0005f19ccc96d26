-- The centre of many sensors, version 1 of its tables. Times are nanoseconds since 1970; columns of wall time begin with wall_.

-- Which centre this is, and how its receiver is.
CREATE TABLE centre (
    id              text NOT NULL,
    wall_made       bigint NOT NULL,
    wall_seen       bigint,                -- when the receiver last said that it runs
    link            text,                  -- what is wrong with the way to the stream; NULL: nothing
    stream_waiting  bigint,                -- messages of the stream that the centre has yet to take
    shown           bigint                 -- newest change that the view store shows
);

-- Numbers of changes, in the order of commits: there is one receiver.
CREATE SEQUENCE change_number;

CREATE TABLE sensor (
    number          integer PRIMARY KEY,
    id              text NOT NULL UNIQUE,
    site            text NOT NULL,
    wall_first      bigint NOT NULL,
    wall_heard      bigint NOT NULL,       -- newest time at which the stream stored something of it
    outbox          text,                  -- the outbox that it tells from
    outbox_since    bigint NOT NULL,
    received        bigint NOT NULL,       -- newest sequence of it that was received
    messages        bigint NOT NULL,       -- messages that were taken
    doubles         bigint NOT NULL,       -- messages that came again
    refused         bigint NOT NULL,       -- messages that were refused here
    silent          boolean NOT NULL,
    -- What it says of itself, in the newest status.
    wall_status     bigint,                -- by the clock of the sensor
    wall_difference bigint,                -- what that clock is behind the clock of the stream, with the time under way
    version         text,
    uptime_seconds  bigint,
    health          text,
    reasons         text[],
    newest          bigint,                -- newest sequence of its outbox
    waiting         bigint,
    wall_oldest     bigint,                -- of what waits
    lost            bigint,                -- changes that left its outbox before they were told
    passed_over     bigint,                -- messages that it gave up
    newest_packet   bigint
);

-- Each message once: what comes again is known by its key. Also what was done to alerts at the sensors.
CREATE TABLE message (
    sensor        integer NOT NULL REFERENCES sensor (number),
    outbox        text NOT NULL,
    sequence      bigint NOT NULL,
    alert         text NOT NULL,
    change        text NOT NULL,
    before        text,
    status        text NOT NULL,
    who           text,
    why           text,
    comment       text,
    wall_time     bigint NOT NULL,         -- when it was committed at the sensor
    wall_received bigint NOT NULL,
    PRIMARY KEY (sensor, outbox, sequence)
);
CREATE INDEX message_alert ON message (alert);
CREATE INDEX message_received ON message (wall_received);

-- The newest state of each alert of each sensor.
CREATE TABLE alert (
    id              text PRIMARY KEY,
    sensor          integer NOT NULL REFERENCES sensor (number),
    outbox_since    bigint NOT NULL,       -- this and the sequence: how new the state is
    sequence        bigint NOT NULL,
    type            text NOT NULL,
    engine          text NOT NULL,
    severity        smallint NOT NULL,     -- 1 warning, 2 minor, 3 major, 4 critical
    status          text NOT NULL,         -- as the sensor says
    centre_status   text,                  -- as people say here, until the sensor says something else
    first_detection bigint NOT NULL,
    last_detection  bigint NOT NULL,
    count           bigint NOT NULL,
    protocol        text,
    site            text,
    zone            text,
    description     text NOT NULL,
    why             text NOT NULL,
    told            jsonb NOT NULL,        -- what the sensor told, as it told it
    sources         integer[] NOT NULL,    -- numbers of devices, in the order told
    destinations    integer[] NOT NULL,
    bucket          text NOT NULL,         -- what alerts of several sensors must have in common to be shown as one
    shown           integer                -- the alert in the views that it is a part of
);
CREATE INDEX alert_bucket ON alert (bucket, first_detection);
CREATE INDEX alert_shown ON alert (shown);
CREATE INDEX alert_time ON alert (last_detection);
CREATE INDEX alert_sensor ON alert (sensor);

-- Alerts as the views show them. Made from alert; the first alert of each gives its id.
CREATE TABLE shown (
    number  integer PRIMARY KEY,
    lead    text NOT NULL UNIQUE,
    gone    boolean NOT NULL,
    changed bigint NOT NULL
);
CREATE INDEX shown_changed ON shown (changed);
CREATE INDEX shown_gone ON shown (changed) WHERE gone;

-- Devices of alerts, matched by site, zone and address.
CREATE TABLE device (
    number     integer PRIMARY KEY,
    place      text NOT NULL,
    address    text NOT NULL,
    sub        text NOT NULL,
    told       jsonb NOT NULL,             -- as the sensor told it that saw it last
    first_seen bigint NOT NULL,
    last_seen  bigint NOT NULL,
    UNIQUE (place, address, sub)
);

-- What people did here. What is shown is made anew from it.
CREATE TABLE act (
    number    integer PRIMARY KEY,
    alert     text NOT NULL,               -- id of one of the alerts that were shown as one then
    action    text NOT NULL,               -- 'status', 'comment'
    detail    text NOT NULL,
    who       text NOT NULL,
    why       text NOT NULL,
    wall_time bigint NOT NULL,
    command   bigint NOT NULL,             -- of the view store, so that it is done once
    UNIQUE (command, wall_time)
);
CREATE INDEX act_alert ON act (alert);

-- Messages that could not be taken.
CREATE TABLE refused (
    number          integer PRIMARY KEY,
    stream_sequence bigint NOT NULL,
    wall_stored     bigint NOT NULL,       -- when the stream stored it
    wall_received   bigint NOT NULL,
    subject         text NOT NULL,
    reason          text NOT NULL,
    size            bigint NOT NULL,
    body            bytea NOT NULL,        -- the first 64 KiB
    UNIQUE (stream_sequence, wall_stored)
);

-- What happened to sensors and to the centre.
CREATE TABLE event (
    number    integer PRIMARY KEY,
    wall_time bigint NOT NULL,
    sensor    integer REFERENCES sensor (number),
    text      text NOT NULL
);

-- For other tools: an alert of the views in a row, with times as such.
CREATE VIEW fleet_alert AS
SELECT s.number, s.lead AS id, l.type, l.engine, l.protocol, l.site, l.zone,
       (ARRAY['warning', 'minor', 'major', 'critical'])[max(a.severity)] AS severity,
       COALESCE(l.centre_status, l.status) AS status,
       to_timestamp(min(a.first_detection) / 1e9) AS first_detection,
       to_timestamp(max(a.last_detection) / 1e9) AS last_detection,
       max(a.count) AS count, array_agg(n.id ORDER BY a.first_detection, n.id) AS sensors, l.description, l.why
FROM shown s
JOIN alert l ON l.id = s.lead
JOIN alert a ON a.shown = s.number
JOIN sensor n ON n.number = a.sensor
WHERE NOT s.gone
GROUP BY s.number, s.lead, l.id;
