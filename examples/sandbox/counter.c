/* The counter as a core module in C. To build it, with nothing but a package from PyPI:

       pip install ziglang
       python -m ziglang cc -target wasm32-freestanding -nostdlib -Oz -Wl,--no-entry counter.c -o counter.wasm
*/
#include <stdint.h>

#define HOST(name) __attribute__((import_module("automata"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

HOST("get") int32_t host_get(const void *key, int32_t length, void *at, int32_t room);
HOST("put") void host_put(const void *key, int32_t length, const void *value, int32_t size);

static const char MANIFEST[] =
    "{\"interface\": 1, \"types\": [{\"name\": \"Counter\", \"methods\": ["
    "{\"name\": \"add\", \"parameters\": [{\"name\": \"by\", \"type\": \"int\"}], \"result\": \"int\"},"
    "{\"name\": \"get\", \"result\": \"int\", \"readonly\": true}]}]}";
static const char COUNT[] = {'c', 'o', 'u', 'n', 't'};

EXPORT("describe") uint64_t describe(void) {
    return (uint64_t)(uintptr_t)MANIFEST << 32 | (sizeof MANIFEST - 1);
}

static int64_t load(void) {
    int64_t count = 0;
    host_get(COUNT, sizeof COUNT, &count, sizeof count); /* -1, and the zero stays, if there is no such row */
    return count;
}

EXPORT("Counter.get") int64_t get(void) {
    return load();
}

EXPORT("Counter.add") int64_t add(int64_t by) {
    int64_t count = load() + by;
    host_put(COUNT, sizeof COUNT, &count, sizeof count);
    return count;
}
