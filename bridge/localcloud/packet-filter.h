#pragma once
// What the packets of a box may reach, enforced by nf_tables in the box's own network namespace. The box's processes lack the
// capability to change it.

#include "network-spec.h"

namespace sandbridge::localcloud {

// slirp4netns' name server in the box's network. On every other port, too, it is whatever machine answers the host's queries.
constexpr uint32_t NAME_SERVER = 10u << 24 | 2 << 8 | 3;

// For the network namespace of this process; takes the place of the filter before, all at once. What is refused is answered at
// once ("connection refused", for datagrams "no route to host"); an open connection ends with its next packet. Throws
// LaunchFailure, and then nothing has changed.
void filterPackets(const NetworkSpec& spec);

}  // namespace sandbridge::localcloud
