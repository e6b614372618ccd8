// SPDX-License-Identifier: Apache-2.0
// One layer 2 segment of the switch: the ports that were added with one name of a network reach each other and nobody else.
#pragma once

#include "switch/mac_table.h"

namespace usvhost {

/**
 * Lives as long as a port of it. The addresses are a table of their own rather than one with the network in its keys: what
 * a port does to the table of its network, such as filling a bucket, then cannot be felt in another one.
 */
struct Network {
  Network(uint32_t entries, uint32_t age_seconds, uint32_t max_ports) : macs(entries, age_seconds, max_ports) {}
  MacTable macs;
};

}  // namespace usvhost
