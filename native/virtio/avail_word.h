// SPDX-License-Identifier: Apache-2.0
// The one word of a ring by which a device sees that something has become available, for looks at many rings that touch nothing
// else of them. It only says that a look is worth while: whoever takes from the queue loads and judges everything anew.
#pragma once

#include "virtio/guest_word.h"

namespace usvhost {

struct AvailWord {
  const uint16_t* word;
  uint16_t mask;
  uint16_t value;
  bool when_equal;  // something is available when the masked word is `value`, else when it is anything but that

  bool pending() const { return (((load_once(word) ^ value) & mask) == 0) == when_equal; }
};

}  // namespace usvhost
