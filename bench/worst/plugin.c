/*
 * A QEMU plugin that counts the instructions of a program that asks for it (count.h). Built for the machine that QEMU runs on.
 *
 * The few names of QEMU's interface (docs/devel/tcg-plugins in its sources; version 1, of QEMU 4.2 and later) are declared
 * here, since no package has its header.
 */
#include "bench/worst/count.h"

#include <stddef.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef void qemu_tb_call(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void qemu_syscall_call(qemu_plugin_id_t id, unsigned processor, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                               uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_tb_call *call);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, qemu_syscall_call *call);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, enum qemu_plugin_op op, void *at,
                                                uint64_t value);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc,
                                                               char **argv);

static uint64_t executed, begun;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
        qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_tb_get_insn(tb, i), QEMU_PLUGIN_INLINE_ADD_U64, &executed, 1);
}

static void asked(qemu_plugin_id_t id, unsigned processor, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                  uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)processor, (void)number, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if ((uint32_t)a1 != COUNT_ASK_FIRST || (uint32_t)a2 != COUNT_ASK_SECOND)
        return;
    unsigned char bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)((executed - begun) >> 8 * i);
    /* A pipe that is full or gone: the program sees no answer, and says so. */
    if ((int32_t)a3 < 0 || write((int32_t)a3, bytes, sizeof bytes) != sizeof bytes)
        begun = executed;
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, asked);
    return 0;
}
