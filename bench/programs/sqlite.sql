-- An in-memory database of @ROWS@ rows: insert, index, query, update, delete, insert again.
-- The driver replaces @ROWS@; the output is compared between allocators.
PRAGMA journal_mode = OFF;
PRAGMA temp_store = MEMORY;
CREATE TABLE item (id INTEGER PRIMARY KEY, owner INTEGER, name TEXT, note TEXT, price REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @ROWS@)
INSERT INTO item
SELECT i, i * 7919 % 1000, 'item ' || (i * 104729 % 1000003), substr('the quick brown fox jumps over the lazy dog, again and again', 1, 5 + i * 31 % 55), i * 1.25 FROM n;
COMMIT;
CREATE INDEX item_name ON item (name);
CREATE INDEX item_owner ON item (owner, price);
SELECT count(*), sum(price), max(name) FROM item WHERE owner BETWEEN 100 AND 400;
SELECT owner, count(*), group_concat(substr(name, 6, 2), '') FROM item WHERE owner < 40 GROUP BY owner ORDER BY 2, 1 LIMIT 3;
SELECT a.name, b.name FROM item AS a JOIN item AS b ON b.id = a.owner + 1 WHERE a.name LIKE 'item 77%' ORDER BY a.note, a.name LIMIT 5;
UPDATE item SET note = note || note, price = price + 1 WHERE owner % 5 = 0;
DELETE FROM item WHERE owner % 3 != 0;
SELECT count(*), sum(length(note)) FROM item;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @ROWS@ / 3)
INSERT INTO item
SELECT i + 10000000, i * 6607 % 1000, 'late ' || (i * 15485863 % 1000003), substr('a later note of quite another length', 1, 3 + i * 17 % 33), i FROM n;
SELECT count(*), sum(length(note)), sum(price) FROM item WHERE name > 'item 5';
