"""The tables, and every statement."""

__all__ = [
    "ADD",
    "ASK",
    "BURY",
    "CLAIM",
    "DRAIN",
    "DROP_DEAD",
    "EVENT_QUEUES",
    "EXPIRE",
    "FORGET",
    "LEAVE", "NEXT",
    "OPEN_QUEUE",
    "QUEUES_OF",
    "RELEASE",
    "REQUEST_QUEUE",
    "SCHEMA",
    "SETTLE_LATER", "SHARE",
    "TAKE_PART",
]  # fmt: skip

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS instance (name TEXT PRIMARY KEY, seen REAL NOT NULL);
CREATE TABLE IF NOT EXISTS queue (
    name TEXT PRIMARY KEY, kind INTEGER NOT NULL, filter TEXT NOT NULL, durable INTEGER NOT NULL,
    subscription TEXT, owner TEXT, age REAL
);
CREATE TABLE IF NOT EXISTS taker (
    queue TEXT NOT NULL, instance TEXT NOT NULL, PRIMARY KEY (queue, instance)
);
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, taken_by TEXT,
    kind INTEGER NOT NULL, address TEXT NOT NULL, body BLOB NOT NULL, headers TEXT NOT NULL,
    uid TEXT NOT NULL, reply_to TEXT, key TEXT,
    published REAL NOT NULL, due REAL NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1, deliveries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS message_to_take ON message (queue, taken_by, due, id);
CREATE TABLE IF NOT EXISTS dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT, subscription TEXT NOT NULL, address TEXT NOT NULL,
    body BLOB NOT NULL, headers TEXT NOT NULL, uid TEXT NOT NULL, key TEXT, facts TEXT NOT NULL
);
"""

OPEN_QUEUE = """
INSERT INTO queue (name, kind, filter, durable, subscription, owner, age)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET filter = excluded.filter, age = excluded.age
"""
TAKE_PART = "INSERT OR IGNORE INTO taker (queue, instance) VALUES (?, ?)"
LEAVE = "DELETE FROM taker WHERE queue = ? AND instance = ?"

EVENT_QUEUES = """
SELECT name, filter FROM queue WHERE kind = 1
AND (durable OR EXISTS (SELECT 1 FROM taker WHERE taker.queue = queue.name))
"""
REQUEST_QUEUE = """
SELECT name, filter FROM queue WHERE kind = 2
AND EXISTS (SELECT 1 FROM taker WHERE taker.queue = queue.name) ORDER BY name
"""
ASK = "SELECT 1 FROM queue WHERE name = ?"
ADD = """
INSERT INTO message (queue, kind, address, body, headers, uid, reply_to, key, published, due)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

CLAIM = """
UPDATE message SET taken_by = ?, deliveries = deliveries + 1 WHERE id IN (
    SELECT id FROM message WHERE queue = ? AND taken_by IS NULL AND due <= ? ORDER BY id LIMIT ?
)
RETURNING id, kind, address, body, headers, uid, reply_to, key, published, attempt, deliveries
"""
ANY = "SELECT 1 FROM message WHERE queue = ? LIMIT 1"
DRAIN = """
DELETE FROM message WHERE id IN (SELECT id FROM message WHERE queue = ? ORDER BY id LIMIT ?)
RETURNING id, kind, address, body, headers, uid, reply_to, key, published, attempt, deliveries
"""
SHARE = """
SELECT (SELECT count(*) FROM (
        SELECT 1 FROM message WHERE queue = ?1 AND taken_by IS NULL AND due <= ?2 LIMIT ?3)),
    (SELECT count(*) FROM taker WHERE queue = ?1)
"""
NEXT = "SELECT min(due) FROM message WHERE queue = ? AND taken_by IS NULL"
FORGET = "DELETE FROM message WHERE id = ?"
SETTLE_LATER = "UPDATE message SET taken_by = NULL, due = ?, attempt = ? WHERE id = ?"
BURY = """
INSERT INTO dead (subscription, address, body, headers, uid, key, facts)
SELECT ?, address, body, headers, uid, key, ? FROM message WHERE id = ?
"""

QUEUES_OF = "SELECT name FROM queue WHERE kind = 1 AND subscription = ?"
DROP_DEAD = "DELETE FROM instance WHERE name = ? OR seen < ?"
EXPIRE = """
DELETE FROM message WHERE taken_by IS NULL
AND published < ? - (SELECT age FROM queue WHERE name = message.queue)
"""
RELEASE = (
    "DELETE FROM taker WHERE instance NOT IN (SELECT name FROM instance)",
    "DELETE FROM queue WHERE owner IS NOT NULL AND owner NOT IN (SELECT name FROM instance)",
    "DELETE FROM message WHERE queue NOT IN (SELECT name FROM queue)",
    "UPDATE message SET taken_by = NULL WHERE taken_by NOT IN (SELECT name FROM instance)",
)
"""What was of instances that are gone."""
