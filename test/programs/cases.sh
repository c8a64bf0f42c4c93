# shellcheck shell=sh disable=SC2154,SC2016
# The cases of run.sh. Sourced, not run. What is tested runs under `on`; what it says must not depend on time or place.

# The library is there at all, and the comparison can see a difference.
preloaded() {
    on sh -c 'exit 0' || return
    on python3 -c 'import ctypes, sys
sys.exit(0 if not sys.argv[1] or hasattr(ctypes.CDLL(None), "tarn_stats") else 9)' "$preload"
}
check preloaded python3 preloaded

python_objects() { on python3 "$source/objects.py"; }
check python python3 python_objects

python_system_malloc() { PYTHONMALLOC=malloc on python3 "$source/objects.py"; }
check python-all-malloc python3 python_system_malloc

perl_text() {
    on perl -e '
my (%count, @all);
for my $i (1 .. 200000) {
    my $word = join "", map { chr(97 + ($i * $_) % 26) } 1 .. 1 + $i % 9;
    $count{$word}++;
    push @all, "$word$i" if $i % 3 == 0;
}
my $text = join " ", sort @all;
$text =~ s/(\w)(\d+)/$2$1/g;
printf "%d %d %s\n", scalar(keys %count), length $text, unpack("%32C*", $text);
my $pid = fork // die; if (!$pid) { my @x = map { "x" x $_ } 1 .. 2000; exit(@x == 2000 ? 7 : 1) }
waitpid $pid, 0; print $? >> 8, "\n"; print scalar(`echo from a shell`);'
}
check perl perl perl_text

lua_tables() {
    on lua5.4 -e '
local t, parts = {}, {}
for i = 1, 300000 do t[i % 5000 .. ""] = {i, string.rep("x", i % 50), {n = i}} end
for k, v in pairs(t) do parts[#parts + 1] = k .. ":" .. v[1] .. #v[2] .. v[3].n end
table.sort(parts)
local s, h = table.concat(parts, ","), 0
for i = 1, #s do h = (h * 31 + s:byte(i)) % 4294967291 end
collectgarbage()
print(#parts, #s, h, s:gsub("%d%d", ""):len())'
}
check lua lua5.4 lua_tables

sqlite_queries() {
    on sqlite3 :memory: <<'END'
CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT, v REAL, b BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO t SELECT i, 'key' || (i * 7919 % 60000), i / 7.0, zeroblob(i % 300) FROM n;
CREATE INDEX by_key ON t (k);
SELECT count(*), sum(v), max(k) FROM t WHERE k BETWEEN 'key1' AND 'key3';
SELECT a.k, b.id FROM t a JOIN t b ON a.k = b.k AND a.id % 6000 = 0 ORDER BY 1;
DELETE FROM t WHERE id % 3 = 0;
UPDATE t SET k = k || k WHERE id % 5 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT count(*), total(length(b)), group_concat(DISTINCT substr(k, 1, 4)) FROM t;
SELECT * FROM none;
END
    echo "status $?"
}
check sqlite3 sqlite3 sqlite_queries

c_source() {
    cat >program.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { struct node *left, *right; int key; };
static struct node *insert(struct node *n, int key)
{
    if (!n) { n = calloc(1, sizeof *n); n->key = key; return n; }
    if (key < n->key) n->left = insert(n->left, key); else n->right = insert(n->right, key);
    return n;
}
static long sum(const struct node *n) { return n ? n->key + sum(n->left) + sum(n->right) : 0; }
int main(void)
{
    struct node *root = NULL;
    unsigned x = 1;
    for (int i = 0; i < 50000; i++) { x = x * 1103515245u + 12345u; root = insert(root, (int)(x >> 8) % 100000); }
    char *text = strdup("sum");
    printf("%s %ld\n", text, sum(root));
    free(text);
    return unused_function_warning();
}
int unused_function_warning(void) { return 0; }
END
}

gcc_compiles() {
    c_source
    on gcc -std=gnu99 -O2 -g -Wall -o program program.c && on ./program && on gcc -O3 -S -o - program.c 2>/dev/null | cksum
}
check gcc gcc gcc_compiles

gxx_compiles() {
    cat >program.cpp <<'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>
int main()
{
    std::map<std::string, std::vector<std::shared_ptr<int>>> m;
    for (int i = 0; i < 50000; i++)
        m[std::to_string(i * 7919 % 1000) + "key"].push_back(std::make_shared<int>(i));
    long sum = 0;
    std::vector<std::thread> threads;
    std::vector<long> sums(4);
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] { for (auto &e : m) for (auto &p : e.second) if (*p % 4 == t) sums[(size_t)t] += *p; });
    for (auto &t : threads)
        t.join();
    for (long s : sums)
        sum += s;
    std::ostringstream out;
    for (auto &e : m)
        out << e.first << ' ';
    std::regex r("([0-9]+)key");
    std::string text = std::regex_replace(out.str(), r, "$1");
    try { std::string().at(5); } catch (const std::exception &e) { std::cout << e.what() << '\n'; }
    std::cout << sum << ' ' << text.size() << ' ' << m.size() << '\n';
}
END
    on g++ -std=c++17 -O1 -pthread -o program program.cpp && on ./program
}
check g++ g++ gxx_compiles

git_history() {
    GIT_AUTHOR_DATE='2020-01-02T03:04:05Z' GIT_COMMITTER_DATE='2020-01-02T03:04:05Z' GIT_CONFIG_NOSYSTEM=1
    GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
    export GIT_AUTHOR_DATE GIT_COMMITTER_DATE GIT_CONFIG_NOSYSTEM
    export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
    on git init -q -b main repository && cd repository || return
    for i in 1 2 3 4 5 6 7 8; do
        awk -v n=$i 'BEGIN { for (i = 0; i < 3000; i++) print i * n % 97, i % (n + 3) }' >"file$((i % 3))"
        on git add . && on git commit -q -m "commit $i" || return
    done
    on git gc -q --aggressive && on git fsck --strict --no-progress &&
        on git log --stat --format='%H %s' && on git diff HEAD~5 | cksum && on git blame file1 | tail -n 5
}
check git git git_history

# The library on the server; a client without it asks.
redis_server() {
    on redis-server --port 0 --unixsocket "$PWD/socket" --save '' --daemonize no --dir "$PWD" >log 2>&1 &
    server=$!
    trap 'kill $server 2>/dev/null' EXIT
    tries=0
    until redis-cli -s socket ping >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || break
        sleep 0.1
    done
    redis-benchmark -s socket -n 20000 -P 8 -c 20 -r 1000 -q -t set,get,lpush,lrange_100,hset,zadd >benchmark 2>&1 ||
        echo "the benchmark failed: $(tail -n 1 benchmark)"
    redis-cli -s socket flushall
    redis-cli -s socket eval 'for i = 1, 20000 do redis.call("set", "k" .. i, string.rep("v", i % 700)) end
        for i = 1, 20000, 2 do redis.call("del", "k" .. i) end return redis.call("dbsize")' 0
    redis-cli -s socket strlen k698
    redis-cli -s socket debug digest 2>/dev/null | head -c 40
    redis-cli -s socket save
    redis-cli -s socket shutdown nosave
    wait $server
    echo "server ended with $?"
    grep 'cannot be preloaded' log
    trap - EXIT
}
check redis 'redis-server redis-cli redis-benchmark' redis_server

bash_script() {
    on bash -c '
declare -A seen; list=()
for ((i = 0; i < 20000; i++)); do w=w$((i * 7919 % 5000)); seen[$w]=$i; list+=("$w$i"); done
text="${list[*]}"; echo "${#seen[@]} ${#list[@]} ${#text}"; text=${text//w1/X}; echo "${#text}"
for i in 1 2 3 4 5; do ( echo "child $i ${#list[@]}" ); done; echo "$(echo inner "$(echo deeper)")"; wait; exit 3'
    echo "status $?"
}
check bash bash bash_script

make_numbers() { awk 'BEGIN { x = 1; for (i = 0; i < 150000; i++) { x = x * 69069 % 4294967296 + 1; print int(x / 64), i % 1000, "line" i } }'; }

sort_numbers() {
    make_numbers >numbers
    on sort -n numbers | cksum
    on sort --parallel=4 -S 2M -k2,2n -k1,1r numbers | cksum
    on sort -u -k2,2 numbers | on tail -n 3
}
check sort sort sort_numbers

archives() {
    mkdir tree
    for i in 1 2 3 4 5; do make_numbers | head -n $((i * 9000)) >tree/file$i; done
    for how in 'gzip -n' xz; do
        on tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf tree.tar tree
        cksum <tree.tar
        # shellcheck disable=SC2086 # a command and its option
        on $how -c <tree.tar >packed
        cksum <packed
        # shellcheck disable=SC2086
        mkdir out && on $how -d -c packed | on tar -C out -xf - && diff -r tree out/tree && rm -rf out
    done
    on xz -T2 -c tree.tar | on xz -d | cksum
}
check archives 'tar gzip xz' archives

awk_arrays() {
    make_numbers >numbers
    on awk '{ n[$2] += $1; s[$2] = s[$2] substr($3, 5) ; gsub(/1/, "one") } END { for (k in n) t += n[k] * k; print t, length(s[7]), NR }' numbers
}
check awk awk awk_arrays

# Programs that fail: their messages and status are the same, and so is a death by signal.
failing_programs() {
    on ls /nonexistent
    echo "$?"
    on sh -c 'kill -TERM $$'
    echo "$?"
    on python3 -c 'import os; os.abort()'
    echo "$?"
    on cat nonexistent
    echo "$?"
}
check failures 'ls python3' failing_programs
