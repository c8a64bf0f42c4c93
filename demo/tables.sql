-- A few hundred thousand rows built, indexed, queried and deleted, all in memory.
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, town TEXT, born INTEGER, note BLOB);
CREATE TABLE visit (person INTEGER, place TEXT, day INTEGER);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
INSERT INTO person SELECT i, 'name ' || (i * 7919 % 200003), 'town ' || (i % 997), 1930 + i % 90, zeroblob(i % 120) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
INSERT INTO visit SELECT i * 31 % 200000 + 1, 'place ' || (i % 5003), i % 3650 FROM n;
COMMIT;
CREATE INDEX person_name ON person (name);
CREATE INDEX person_town ON person (town, born);
CREATE INDEX visit_person ON visit (person, day);
SELECT town, count(*), avg(born) FROM person GROUP BY town ORDER BY 2 DESC, 1 LIMIT 3;
SELECT p.name, count(*) FROM person p JOIN visit v ON v.person = p.id WHERE p.town = 'town 500' GROUP BY p.id ORDER BY 2 DESC, 1 LIMIT 3;
SELECT place, group_concat(DISTINCT day % 7) FROM visit WHERE day BETWEEN 100 AND 160 GROUP BY place ORDER BY place LIMIT 3;
SELECT count(DISTINCT substr(name, 1, 8)) FROM person;
UPDATE person SET name = name || ' ' || town WHERE born % 3 = 0;
DELETE FROM visit WHERE day % 2 = 0;
DELETE FROM person WHERE born < 1970;
SELECT count(*), (SELECT count(*) FROM visit) FROM person;
