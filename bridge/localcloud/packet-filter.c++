#include "packet-filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <kj/function.h>
#include <kj/io.h>
#include <kj/vector.h>

#include "mounts.h"

namespace sandbridge::localcloud {

namespace {

constexpr kj::StringPtr TABLE = "box"_kj, REACHABLE = "reachable"_kj;
constexpr uint32_t SET_ID = 1;           // of the set within the transaction
constexpr uint32_t TYPE_IPV4_ADDR = 7;   // only `nft list` looks at it
constexpr uint32_t LOOPBACK_INDEX = 1;   // lo is the first interface of every namespace
constexpr uint32_t GATEWAY = 10u << 24 | 2 << 8 | 2;  // slirp4netns' own errors come from there
constexpr uint16_t DNS = 53;

// The kernel answers within microseconds, or when it has loaded its modules.
constexpr time_t ANSWER_SECONDS = 5;

// Netlink messages that are put into effect together or not at all.
class Transaction {
 public:
  Transaction() { control(NFNL_MSG_BATCH_BEGIN); }

  void message(uint16_t type, uint16_t flags, kj::FunctionParam<void()> attributes) {
    header(NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0);
    attributes();
    finish();
  }

  void bytes(uint16_t type, kj::ArrayPtr<const kj::byte> value) {
    size_t start = open(type);
    data.addAll(value);
    close(start);
  }
  void text(uint16_t type, kj::StringPtr value) {
    bytes(type, kj::arrayPtr(value.begin(), value.size() + 1).asBytes());
  }
  void number(uint16_t type, uint32_t value) {
    uint32_t big = htonl(value);
    bytes(type, kj::arrayPtr(&big, 1).asBytes());
  }
  void nested(uint16_t type, kj::FunctionParam<void()> attributes) {
    size_t start = open(type | NLA_F_NESTED);
    attributes();
    close(start);
  }
  void value(uint16_t type, kj::ArrayPtr<const kj::byte> content) {
    nested(type, [&]() { bytes(NFTA_DATA_VALUE, content); });
  }

  // Throws LaunchFailure.
  void commit() {
    // The last message is the one whose success is answered; the first failure is, too.
    auto& last = reinterpret_cast<nlmsghdr&>(data[lastMessage]);
    last.nlmsg_flags |= NLM_F_ACK;
    uint32_t lastNumber = last.nlmsg_seq;
    control(NFNL_MSG_BATCH_END);

    constexpr kj::StringPtr STEP = "set the rules of the network (does the kernel have nf_tables, with reject for inet?)"_kj;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0) failStep(STEP);
    kj::AutoCloseFd owned(fd);
    timeval patience = {ANSWER_SECONDS, 0};
    int on = 1;
    sockaddr_nl kernel = {};
    kernel.nl_family = AF_NETLINK;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
        // Failures without the message that failed, which may be long.
        setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) < 0 ||
        sendto(fd, data.begin(), data.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) < 0) {
      failStep(STEP);
    }
    for (;;) {
      alignas(nlmsghdr) char buffer[8192];
      ssize_t size = recv(fd, buffer, sizeof buffer, 0);
      if (size < 0) failStep(STEP);
      auto left = static_cast<unsigned>(size);
      for (auto* answer = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(answer, left); answer = NLMSG_NEXT(answer, left)) {
        if (answer->nlmsg_type != NLMSG_ERROR) continue;
        errno = -static_cast<nlmsgerr*>(NLMSG_DATA(answer))->error;
        if (errno != 0) failStep(STEP);
        if (answer->nlmsg_seq == lastNumber) return;
      }
    }
  }

 private:
  kj::Vector<kj::byte> data;
  size_t lastMessage = 0;
  uint32_t count = 0;

  void header(uint16_t type, uint16_t flags, uint8_t family, uint16_t resource) {
    lastMessage = data.size();
    nlmsghdr head = {};
    head.nlmsg_type = type;
    head.nlmsg_flags = NLM_F_REQUEST | flags;
    head.nlmsg_seq = ++count;
    nfgenmsg rest = {};
    rest.nfgen_family = family;
    rest.res_id = htons(resource);
    data.addAll(kj::arrayPtr(&head, 1).asBytes());
    data.addAll(kj::arrayPtr(&rest, 1).asBytes());
  }
  void finish() {
    reinterpret_cast<nlmsghdr&>(data[lastMessage]).nlmsg_len = static_cast<uint32_t>(data.size() - lastMessage);
  }
  void control(uint16_t type) {
    header(type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    finish();
  }
  size_t open(uint16_t type) {
    size_t start = data.size();
    nlattr head = {};
    head.nla_type = type;
    data.addAll(kj::arrayPtr(&head, 1).asBytes());
    return start;
  }
  void close(size_t start) {
    reinterpret_cast<nlattr&>(data[start]).nla_len = static_cast<uint16_t>(data.size() - start);
    while (data.size() % NLA_ALIGNTO != 0) data.add(0);
  }
};

template <typename T>
kj::ArrayPtr<const kj::byte> bytesOf(const T& value) {
  return kj::arrayPtr(&value, 1).asBytes();
}

// One rule: its conditions one after the other, then what becomes of the packet.
class Rule {
 public:
  explicit Rule(Transaction& out) : out(out) {}

  Rule& meta(nft_meta_keys key, kj::ArrayPtr<const kj::byte> expected) {
    expression("meta", [&]() {
      out.number(NFTA_META_DREG, NFT_REG_1);
      out.number(NFTA_META_KEY, key);
    });
    return equal(expected);
  }
  Rule& protocol(uint8_t number) { return meta(NFT_META_L4PROTO, bytesOf(number)); }
  Rule& address(uint32_t offset, uint32_t expected) {
    isIpv4().payload(NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof expected);
    return equal(bytesOf(htonl(expected)));
  }
  Rule& reachable(uint32_t offset) {
    isIpv4().payload(NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(in_addr));
    expression("lookup", [&]() {
      out.text(NFTA_LOOKUP_SET, REACHABLE);
      out.number(NFTA_LOOKUP_SET_ID, SET_ID);
      out.number(NFTA_LOOKUP_SREG, NFT_REG_1);
    });
    return *this;
  }
  Rule& port(uint32_t offset, uint16_t expected) {
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof expected);
    return equal(bytesOf(htons(expected)));
  }
  void accept() {
    expression("immediate", [&]() {
      out.number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
      out.nested(NFTA_IMMEDIATE_DATA, [&]() {
        out.nested(NFTA_DATA_VERDICT, [&]() { out.number(NFTA_VERDICT_CODE, NF_ACCEPT); });
      });
    });
  }
  void reset() {
    expression("reject", [&]() { out.number(NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST); });
  }
  void reject() {
    expression("reject", [&]() {
      out.number(NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
      out.bytes(NFTA_REJECT_ICMP_CODE, bytesOf(static_cast<uint8_t>(NFT_REJECT_ICMPX_ADMIN_PROHIBITED)));
    });
  }

 private:
  Transaction& out;

  void expression(kj::StringPtr name, kj::FunctionParam<void()> attributes) {
    out.nested(NFTA_LIST_ELEM, [&]() {
      out.text(NFTA_EXPR_NAME, name);
      out.nested(NFTA_EXPR_DATA, [&]() { attributes(); });
    });
  }
  Rule& isIpv4() { return meta(NFT_META_NFPROTO, bytesOf(static_cast<uint8_t>(NFPROTO_IPV4))); }
  void payload(nft_payload_bases base, uint32_t offset, uint32_t size) {
    expression("payload", [&]() {
      out.number(NFTA_PAYLOAD_DREG, NFT_REG_1);
      out.number(NFTA_PAYLOAD_BASE, base);
      out.number(NFTA_PAYLOAD_OFFSET, offset);
      out.number(NFTA_PAYLOAD_LEN, size);
    });
  }
  Rule& equal(kj::ArrayPtr<const kj::byte> expected) {
    expression("cmp", [&]() {
      out.number(NFTA_CMP_SREG, NFT_REG_1);
      out.number(NFTA_CMP_OP, NFT_CMP_EQ);
      out.value(NFTA_CMP_DATA, expected);
    });
    return *this;
  }
};

void addSet(Transaction& out, kj::ArrayPtr<const AddressRange> ranges) {
  out.message(NFT_MSG_NEWSET, NLM_F_CREATE, [&]() {
    out.text(NFTA_SET_TABLE, TABLE);
    out.text(NFTA_SET_NAME, REACHABLE);
    out.number(NFTA_SET_ID, SET_ID);
    out.number(NFTA_SET_FLAGS, NFT_SET_INTERVAL);
    out.number(NFTA_SET_KEY_TYPE, TYPE_IPV4_ADDR);
    out.number(NFTA_SET_KEY_LEN, sizeof(in_addr));
  });
  // The length of an attribute has 16 bits: not all elements fit into one.
  constexpr size_t RANGES_A_MESSAGE = 500;
  for (size_t done = 0; done < ranges.size(); done += RANGES_A_MESSAGE) {
    out.message(NFT_MSG_NEWSETELEM, NLM_F_CREATE, [&]() {
      out.text(NFTA_SET_ELEM_LIST_TABLE, TABLE);
      out.text(NFTA_SET_ELEM_LIST_SET, REACHABLE);
      out.number(NFTA_SET_ELEM_LIST_SET_ID, SET_ID);
      out.nested(NFTA_SET_ELEM_LIST_ELEMENTS, [&]() {
        auto element = [&](uint32_t address, uint32_t flags) {
          out.nested(NFTA_LIST_ELEM, [&]() {
            out.value(NFTA_SET_ELEM_KEY, bytesOf(htonl(address)));
            if (flags != 0) out.number(NFTA_SET_ELEM_FLAGS, flags);
          });
        };
        for (auto& range : ranges.slice(done, kj::min(done + RANGES_A_MESSAGE, ranges.size()))) {
          element(range.first, 0);
          if (range.last != UINT32_MAX) element(range.last + 1, NFT_SET_ELEM_INTERVAL_END);
        }
      });
    });
  }
}

// The rules for one direction. `interface` names lo there; `addressOffset` is that of the other end's address in an IPv4
// header, `portOffset` that of its port.
struct Direction {
  kj::StringPtr chain;
  uint32_t hook;
  nft_meta_keys interface;
  uint32_t addressOffset, portOffset;
};
constexpr Direction OUT = {"out"_kj, NF_INET_LOCAL_OUT, NFT_META_OIF, 16, 2};
constexpr Direction IN = {"in"_kj, NF_INET_LOCAL_IN, NFT_META_IIF, 12, 0};

void addChain(Transaction& out, const Direction& direction, bool internet) {
  out.message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [&]() {
    out.text(NFTA_CHAIN_TABLE, TABLE);
    out.text(NFTA_CHAIN_NAME, direction.chain);
    out.nested(NFTA_CHAIN_HOOK, [&]() {
      out.number(NFTA_HOOK_HOOKNUM, direction.hook);
      out.number(NFTA_HOOK_PRIORITY, 0);
    });
    out.number(NFTA_CHAIN_POLICY, NF_DROP);
    out.text(NFTA_CHAIN_TYPE, "filter");
  });
  auto rule = [&](kj::FunctionParam<void(Rule)> body) {
    out.message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [&]() {
      out.text(NFTA_RULE_TABLE, TABLE);
      out.text(NFTA_RULE_CHAIN, direction.chain);
      out.nested(NFTA_RULE_EXPRESSIONS, [&]() { body(Rule(out)); });
    });
  };
  rule([&](Rule r) { r.meta(direction.interface, bytesOf(LOOPBACK_INDEX)).accept(); });
  if (internet) {
    rule([&](Rule r) { r.reachable(direction.addressOffset).accept(); });
    for (uint8_t protocol : {IPPROTO_UDP, IPPROTO_TCP}) {
      rule([&](Rule r) {
        r.address(direction.addressOffset, NAME_SERVER).protocol(protocol).port(direction.portOffset, DNS).accept();
      });
    }
  }
  if (direction.hook == NF_INET_LOCAL_IN) {
    rule([&](Rule r) { r.address(direction.addressOffset, GATEWAY).protocol(IPPROTO_ICMP).accept(); });
  } else {
    // Not an ICMP error: TCP takes note of one only when it repeats its packet after a second.
    rule([&](Rule r) { r.protocol(IPPROTO_TCP).reset(); });
    rule([&](Rule r) { r.reject(); });
  }
}

}  // namespace

void filterPackets(const NetworkSpec& spec) {
  Transaction out;
  auto named = [&]() { out.text(NFTA_TABLE_NAME, TABLE); };
  // Made first, so that there is one to delete.
  out.message(NFT_MSG_NEWTABLE, NLM_F_CREATE, named);
  out.message(NFT_MSG_DELTABLE, 0, named);
  out.message(NFT_MSG_NEWTABLE, NLM_F_CREATE, named);
  addSet(out, spec.reachable);
  addChain(out, OUT, spec.internet);
  addChain(out, IN, spec.internet);
  out.commit();
}

}  // namespace sandbridge::localcloud
