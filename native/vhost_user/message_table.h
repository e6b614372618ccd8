// SPDX-License-Identifier: Apache-2.0
// One row for each message: its name, the sizes and descriptors it may carry, whether it is answered, and its one
// validity function. Code behind the table never sees a message that the table has refused.
#pragma once

#include "base/status.h"
#include "vhost_user/messages.h"

namespace usvhost {

/** A reply of as many bytes as its request. */
inline constexpr uint32_t kAsRequest = UINT32_MAX;

struct MessageRow {
  Request request;
  const char* name;
  uint32_t min_size;
  uint32_t max_size;
  bool replies;         // the back-end answers with a payload of its own
  uint32_t reply_size;  // bytes, or kAsRequest
  /** Checks values that do not depend on state; null when every payload of the right size is acceptable. */
  bool (*is_valid)(const Payload& payload, uint32_t size, uint32_t fd_count);
  const char* expectation;  // what is_valid wants, in words
  uint32_t max_fds;
  uint64_t protocol_features;  // without these bits the message does not exist
};

/** The row of a request number, or null when the project does not implement it. */
const MessageRow* find_message(uint32_t request);
const char* message_name(uint32_t request);

/** Before the payload is read: version, reply flag, request known, size within the row's bounds. Fails with USV_MESSAGE. */
Status check_request_header(const MessageHeader& header);
/** The same for an answer to `expected` on the front-end's side (replies and REPLY_ACK acknowledgements). */
Status check_reply_header(const MessageHeader& header, const MessageHeader& expected);
/** Whether the protocol features that the message belongs to have been acknowledged. Fails with USV_MESSAGE. */
Status check_negotiated(const MessageHeader& header, uint64_t protocol_features);
/** After the payload is read: descriptors and the row's validity function. Fails with USV_MESSAGE. */
Status check_request(const Message& message, uint32_t fd_count);

}  // namespace usvhost
