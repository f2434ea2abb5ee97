/* qemu plugin that counts the AArch64 instructions a program executes.
 *
 * qemu-aarch64 -plugin insn.so,out=FILE PROGRAM: at every getppid(), a system call that a program makes for no other
 * reason, one line is appended to FILE: {"insn": all, "simd": ..., "fmla": ..., "dot": ...}, counted since the start.
 * Exact for one thread; several would race for the counters.
 *
 * Debian ships no qemu-plugin.h, so what is used of the plugin interface, version 1 (qemu 4.2 to 8.x), is declared here:
 * https://www.qemu.org/docs/master/devel/tcg-plugins.html
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#ifndef GETPPID
#define GETPPID 173 /* asm-generic/unistd.h; 110 on x86-64, where "insn" is the only kind that means anything */
#endif

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                                                             uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = 1;

/* An instruction is of a kind if (word & mask) == value for one of the pairs; a mask of 0 ends them. Encodings: Arm
 * Architecture Reference Manual for A-profile, C4.1. The register numbers and the vector length Q are left open. */
static struct {
    const char *name;
    struct { uint32_t mask, value; } patterns[5];
    uint64_t executed;
} kinds[] = {
    {"insn", {{1, 0}, {1, 1}}, 0},
    {"simd", {{0x0E000000, 0x0E000000}}, 0}, /* scalar floating point and Advanced SIMD */
    {"fmla", {{0xBFA0FC00, 0x0E20CC00}, {0xBF80F400, 0x0F801000},      /* single and double: vector, by element */
              {0xBFE0FC00, 0x0E400C00}, {0xBFC0F400, 0x0F001000}}, 0}, /* half: vector, by element */
    {"dot", {{0x9FE0FC00, 0x0E809400}, {0x9FC0F400, 0x0F80E000}}, 0},  /* SDOT and UDOT: vector, by element */
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };
static FILE *out;

static int is_of_kind(uint32_t word, int kind)
{
    for (int i = 0; kinds[kind].patterns[i].mask; i++)
        if ((word & kinds[kind].patterns[i].mask) == kinds[kind].patterns[i].value)
            return 1;
    return 0;
}

/* A block's instructions are counted when it is translated, and added in one go whenever it runs. */
static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    uint64_t found[KINDS] = {0};
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), sizeof word);
        for (int kind = 0; kind < KINDS; kind++)
            found[kind] += is_of_kind(word, kind);
    }
    for (int kind = 0; kind < KINDS; kind++)
        if (found[kind])
            qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &kinds[kind].executed, found[kind]);
}

static void system_call(plugin_id id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                        uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    if (number != GETPPID)
        return;
    for (int kind = 0; kind < KINDS; kind++)
        fprintf(out, "%s\"%s\": %" PRIu64, kind ? ", " : "{", kinds[kind].name, kinds[kind].executed);
    fprintf(out, "}\n");
    fflush(out);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    if (argc != 1 || strncmp(argv[0], "out=", 4) || !(out = fopen(argv[0] + 4, "w"))) {
        fprintf(stderr, "insn: expected out=FILE, a file that can be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, system_call);
    return 0;
}
