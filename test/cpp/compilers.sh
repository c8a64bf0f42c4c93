#!/bin/sh
# The headers for C++ under each compiler that is there, each standard, without exceptions, and taken in twice, with all warnings being errors.
#
#   compilers.sh ROOT
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/user.cpp" <<'END_OF_USER'
#include <tarn/tarn.hpp>
#include <tarn/tarn.hpp>
#include <tarn/tarn.h>
#include <map>
#include <mutex>
template class tarn::allocator<long double>;
int use(std::mutex &mutex)
{
    tarn_region_options options = {};
    tarn_pool_lock lock = tarn::lock_by(mutex);
    options.lock = &lock;
    tarn::region_resource memory(tarn::make_region(1 << 16, options), std::pmr::new_delete_resource());
    tarn::levelpool_resource level(tarn::make_levelpool(), tarn::malloc_resource());
    tarn::blockpool_resource block(tarn::make_blockpool(4096));
    tarn::classpool_resource classes(tarn::make_classpool(1 << 16));
    tarn::bump_resource bump(tarn::make_bump());
    tarn::heap_resource heap(tarn::make_heap("user"));
    tarn::cache objects = tarn::make_cache("user", 64);
    tarn::cache_resource cache(objects.get());
    std::pmr::map<int, int> numbers(&memory), others(&level), more(&cache);
    tarn::bump_scope scope(bump.pool());
    return numbers[1] + others[2] + more[3] + *tarn::make_in<int>(bump.pool(), 4) + int(tarn::stats(memory.pool()).live_blocks);
}
END_OF_USER
tried=0
for compiler in g++ clang++; do
    if ! command -v "$compiler" >/dev/null; then
        echo "# not tested: no $compiler"
        continue
    fi
    for options in -std=c++17 -std=c++20 '-std=gnu++2b -fno-exceptions -DNDEBUG'; do
        # shellcheck disable=SC2086
        "$compiler" $options -Wall -Wextra -Wpedantic -Wconversion -Werror "-I$1/include" -fsyntax-only "$dir/user.cpp" || {
            echo "compilers: $compiler $options complains"
            exit 1
        }
        tried=$((tried + 1))
    done
done
[ "$tried" -gt 0 ] || exit 77
echo "compilers: $tried ways to compile it, no complaint"
