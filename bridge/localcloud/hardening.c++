#include "hardening.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sandbridge::localcloud {

namespace {

constexpr uint64_t bit(int capability) { return 1ull << capability; }

constexpr uint64_t KEPT =
    bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER) | bit(CAP_FSETID) | bit(CAP_KILL) |
    bit(CAP_SETGID) | bit(CAP_SETUID) | bit(CAP_SETPCAP) | bit(CAP_NET_BIND_SERVICE) |
    bit(CAP_SYS_CHROOT) | bit(CAP_SETFCAP) | bit(CAP_AUDIT_WRITE);

constexpr uint64_t KEPT_BY_DAEMON = KEPT | bit(CAP_SYS_PTRACE);

bool setCapabilities(uint64_t set) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  uint32_t low = static_cast<uint32_t>(set), high = static_cast<uint32_t>(set >> 32);
  __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  return syscall(SYS_capset, &header, data) == 0;
}

#if defined(__x86_64__)
constexpr uint32_t ARCHITECTURE = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t ARCHITECTURE = AUDIT_ARCH_AARCH64;
#else
#error "the system call filter knows x86_64 and aarch64"
#endif

constexpr uint32_t REFUSE = SECCOMP_RET_ERRNO | EPERM;
// As on a kernel without the call, so that the C library falls back to what the filter can look into.
constexpr uint32_t UNKNOWN = SECCOMP_RET_ERRNO | ENOSYS;

#define SANDBRIDGE_REFUSE(number, answer) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, answer)

bool installFilter() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, UNKNOWN),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
#if defined(__x86_64__)
      // The x32 numbers would be a second way to every call.
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, UNKNOWN),
#endif
      // Keyrings are not namespaced by pid.
      SANDBRIDGE_REFUSE(SYS_keyctl, REFUSE),
      SANDBRIDGE_REFUSE(SYS_add_key, REFUSE),
      SANDBRIDGE_REFUSE(SYS_request_key, REFUSE),
      // Kernel surface that no tool of a sandbox needs.
      SANDBRIDGE_REFUSE(SYS_bpf, REFUSE),
      SANDBRIDGE_REFUSE(SYS_perf_event_open, REFUSE),
      SANDBRIDGE_REFUSE(SYS_userfaultfd, REFUSE),
      SANDBRIDGE_REFUSE(SYS_io_uring_setup, REFUSE),
      SANDBRIDGE_REFUSE(SYS_open_by_handle_at, REFUSE),
      SANDBRIDGE_REFUSE(SYS_kexec_load, REFUSE),
      SANDBRIDGE_REFUSE(SYS_kexec_file_load, REFUSE),
      SANDBRIDGE_REFUSE(SYS_init_module, REFUSE),
      SANDBRIDGE_REFUSE(SYS_finit_module, REFUSE),
      SANDBRIDGE_REFUSE(SYS_delete_module, REFUSE),
      SANDBRIDGE_REFUSE(SYS_quotactl, REFUSE),
      SANDBRIDGE_REFUSE(SYS_acct, REFUSE),
      SANDBRIDGE_REFUSE(SYS_swapon, REFUSE),
      SANDBRIDGE_REFUSE(SYS_swapoff, REFUSE),
      SANDBRIDGE_REFUSE(SYS_reboot, REFUSE),
      SANDBRIDGE_REFUSE(SYS_syslog, REFUSE),
      SANDBRIDGE_REFUSE(SYS_vhangup, REFUSE),
      SANDBRIDGE_REFUSE(SYS_setns, REFUSE),
      SANDBRIDGE_REFUSE(SYS_open_tree, REFUSE),
      SANDBRIDGE_REFUSE(SYS_move_mount, REFUSE),
      SANDBRIDGE_REFUSE(SYS_fsopen, REFUSE),
      SANDBRIDGE_REFUSE(SYS_mount_setattr, REFUSE),
      SANDBRIDGE_REFUSE(SYS_clone3, UNKNOWN),
      // Families of sockets that are shared with the host, as VSOCK is, or that no tool of a sandbox needs.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      // clone and unshare: no new user namespace (it would give every capability in itself).
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 7),
      BPF_STMT(BPF_RET | BPF_K, REFUSE),
      // ioctl: no typing into a terminal of somebody else, compared as the 32 bits that the kernel looks at.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 0, 2),
      BPF_STMT(BPF_RET | BPF_K, REFUSE),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog filter = {sizeof program / sizeof program[0], program};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

const char* harden() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return "no_new_privs";
  for (int i = 0; i <= 63; i++) {
    if ((KEPT_BY_DAEMON & bit(i)) == 0 && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 &&
        errno != EINVAL) {
      return "drop of capabilities";
    }
  }
  if (!setCapabilities(KEPT_BY_DAEMON)) return "capset";
  if (!installFilter()) return "seccomp filter (is CONFIG_SECCOMP_FILTER on?)";
  return nullptr;
}

bool dropDaemonCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) < 0) return false;
  uint64_t now = data[0].permitted | static_cast<uint64_t>(data[1].permitted) << 32;
  // Outside of a box (a test, a plain user) there may be nothing to drop.
  if ((now & bit(CAP_SETPCAP)) != 0) prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0);
  return setCapabilities(now & ~bit(CAP_SYS_PTRACE));
}

}  // namespace sandbridge::localcloud
