/* The floor: what the PKCS#11 calls of one recovery start cost without any Python.

   floor MODULE TOKEN-LABEL PIN ROUNDS WRAPPED-KEY-HEX

   Unwraps the key, derives four x coordinates (create, read, destroy each), destroys the key; prints
   the process's CPU time per round in microseconds. Session copies of token keys are not used: this is
   the plain way. Declares only those parts of PKCS#11 2.40 that it uses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef unsigned long ulong_t;
typedef struct { ulong_t type; void *value; ulong_t size; } attribute_t;
typedef struct { ulong_t type; void *parameter; ulong_t size; } mechanism_t;
typedef struct { ulong_t kdf, shared_size; void *shared; ulong_t public_size; void *public_data; } ecdh_t;
typedef struct { unsigned char major, minor; void *function[68]; } functions_t;

/* Places in CK_FUNCTION_LIST, counted from C_Initialize. */
enum { INITIALIZE = 0, GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, OPEN_SESSION = 12, LOGIN = 18,
       DESTROY_OBJECT = 22, GET_ATTRIBUTE = 24, FIND_INIT = 26, FIND = 27, FIND_FINAL = 28,
       UNWRAP = 61, DERIVE = 62 };

static functions_t *list;
static ulong_t session;

static void check(ulong_t answer, const char *what) {
    if (answer != 0) { fprintf(stderr, "%s: 0x%lx\n", what, answer); exit(1); }
}

static ulong_t find(const char *label, ulong_t class) {
    attribute_t template[] = {{0x003, (void *)label, strlen(label)}, {0x000, &class, sizeof class}};
    ulong_t object = 0, count = 0;
    check(((ulong_t(*)(ulong_t, attribute_t *, ulong_t))list->function[FIND_INIT])(session, template, 2), "find");
    check(((ulong_t(*)(ulong_t, ulong_t *, ulong_t, ulong_t *))list->function[FIND])(session, &object, 1, &count), "find");
    check(((ulong_t(*)(ulong_t))list->function[FIND_FINAL])(session), "find");
    if (count != 1) { fprintf(stderr, "no %s\n", label); exit(1); }
    return object;
}

static void derive(ulong_t key, unsigned char *point, unsigned char *x) {
    ulong_t class = 4, type = 0x10, size = 32, object;
    unsigned char yes = 1, no = 0;
    ecdh_t parameter = {1, 0, NULL, 65, point};
    mechanism_t mechanism = {0x1050, &parameter, sizeof parameter};
    attribute_t template[] = {{0x000, &class, sizeof class}, {0x100, &type, sizeof type},
                              {0x161, &size, sizeof size}, {0x001, &no, 1}, {0x002, &no, 1},
                              {0x103, &no, 1}, {0x162, &yes, 1}};
    attribute_t value = {0x011, x, 32};
    check(((ulong_t(*)(ulong_t, mechanism_t *, ulong_t, attribute_t *, ulong_t, ulong_t *))
           list->function[DERIVE])(session, &mechanism, key, template, 7, &object), "derive");
    check(((ulong_t(*)(ulong_t, ulong_t, attribute_t *, ulong_t))list->function[GET_ATTRIBUTE])
          (session, object, &value, 1), "read");
    check(((ulong_t(*)(ulong_t, ulong_t))list->function[DESTROY_OBJECT])(session, object), "destroy");
}

static ulong_t unwrap(ulong_t wrap, unsigned char *wrapped, ulong_t size) {
    ulong_t class = 3, type = 3, object;
    unsigned char yes = 1, no = 0;
    mechanism_t mechanism = {0x210A, NULL, 0};
    attribute_t template[] = {{0x000, &class, sizeof class}, {0x100, &type, sizeof type}, {0x001, &no, 1},
                              {0x002, &yes, 1}, {0x103, &yes, 1}, {0x162, &no, 1}, {0x10C, &yes, 1}};
    check(((ulong_t(*)(ulong_t, mechanism_t *, ulong_t, void *, ulong_t, attribute_t *, ulong_t, ulong_t *))
           list->function[UNWRAP])(session, &mechanism, wrap, wrapped, size, template, 7, &object), "unwrap");
    return object;
}

static unsigned char *from_hex(const char *text, ulong_t *size) {
    *size = strlen(text) / 2;
    unsigned char *data = malloc(*size);
    for (ulong_t i = 0; i < *size; i++) sscanf(text + 2 * i, "%2hhx", data + i);
    return data;
}

static double cpu_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

int main(int count, char **arguments) {
    if (count != 6) { fprintf(stderr, "floor MODULE LABEL PIN ROUNDS WRAPPED\n"); return 2; }
    void *module = dlopen(arguments[1], RTLD_NOW);
    if (module == NULL) { fprintf(stderr, "%s\n", dlerror()); return 1; }
    check(((ulong_t(*)(functions_t **))dlsym(module, "C_GetFunctionList"))(&list), "function list");
    check(((ulong_t(*)(void *))list->function[INITIALIZE])(NULL), "initialize");
    ulong_t slots[16], slot_count = 16, found = 0;
    check(((ulong_t(*)(unsigned char, ulong_t *, ulong_t *))list->function[GET_SLOT_LIST])(1, slots, &slot_count), "slots");
    for (ulong_t i = 0; i < slot_count; i++) {
        unsigned char info[512];
        check(((ulong_t(*)(ulong_t, void *))list->function[GET_TOKEN_INFO])(slots[i], info), "token info");
        if (strncmp((char *)info, arguments[2], strlen(arguments[2])) != 0) continue;
        check(((ulong_t(*)(ulong_t, ulong_t, void *, void *, ulong_t *))list->function[OPEN_SESSION])
              (slots[i], 6, NULL, NULL, &session), "session");
        found = 1;
    }
    if (!found) { fprintf(stderr, "no such token\n"); return 1; }
    check(((ulong_t(*)(ulong_t, ulong_t, char *, ulong_t))list->function[LOGIN])
          (session, 1, arguments[3], strlen(arguments[3])), "login");
    ulong_t wrap = find("strongroom.wrap", 4), identity = find("strongroom.identity", 3), size;
    unsigned char *wrapped = from_hex(arguments[5], &size), x[32];
    /* 2G, a point like any other to the token */
    unsigned char *point = from_hex(
        "047cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978"
        "07775510db8ed040293d9ac69f7430dbba7dade63ce982299e04b79d227873d1", &(ulong_t){0});
    long rounds = atol(arguments[4]);
    double before = cpu_us();
    for (long i = 0; i < rounds; i++) {
        ulong_t key = unwrap(wrap, wrapped, size);
        derive(key, point, x);
        derive(key, point, x);
        derive(identity, point, x);
        derive(identity, point, x);
        check(((ulong_t(*)(ulong_t, ulong_t))list->function[DESTROY_OBJECT])(session, key), "destroy");
    }
    printf("%.1f\n", (cpu_us() - before) / rounds);
    return 0;
}
