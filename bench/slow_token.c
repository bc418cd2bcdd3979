/* A PKCS#11 module that is another one, only farther away: as if it were reached over a network.

   STRONGROOM_BENCH_MODULE names the module that does the work. C_UnwrapKey and C_DeriveKey sleep for
   a millisecond before they do, and use no CPU time meanwhile. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef unsigned long ulong_t;
typedef struct { unsigned char major, minor; void *function[68]; } functions_t;

/* Places in CK_FUNCTION_LIST, counted from C_Initialize; C_GetFunctionList is the fourth. */
enum { GET_FUNCTION_LIST = 3, UNWRAP = 61, DERIVE = 62 };

static functions_t *real, list;

static void travel(void) {
    struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, NULL);
}

static ulong_t unwrap(ulong_t session, void *mechanism, ulong_t key, void *wrapped, ulong_t size,
                      void *attributes, ulong_t count, ulong_t *object) {
    travel();
    return ((ulong_t(*)(ulong_t, void *, ulong_t, void *, ulong_t, void *, ulong_t, ulong_t *))
            real->function[UNWRAP])(session, mechanism, key, wrapped, size, attributes, count, object);
}

static ulong_t derive(ulong_t session, void *mechanism, ulong_t key, void *attributes, ulong_t count,
                      ulong_t *object) {
    travel();
    return ((ulong_t(*)(ulong_t, void *, ulong_t, void *, ulong_t, ulong_t *))
            real->function[DERIVE])(session, mechanism, key, attributes, count, object);
}

ulong_t C_GetFunctionList(functions_t **found) {
    if (real == NULL) {
        void *module = dlopen(getenv("STRONGROOM_BENCH_MODULE"), RTLD_NOW);
        if (module == NULL) { fprintf(stderr, "%s\n", dlerror()); return 0x005; /* CKR_GENERAL_ERROR */ }
        ulong_t answer = ((ulong_t(*)(functions_t **))dlsym(module, "C_GetFunctionList"))(&real);
        if (answer != 0) return answer;
        list = *real;
        list.function[GET_FUNCTION_LIST] = C_GetFunctionList;
        list.function[UNWRAP] = unwrap;
        list.function[DERIVE] = derive;
    }
    *found = &list;
    return 0;
}
