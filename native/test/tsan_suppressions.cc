// SPDX-License-Identifier: Apache-2.0
// What the thread sanitizer may not report. It knows memory by virtual address, and guest memory has two: the driver's
// mapping and the back-end's. A frame that one data thread has delivered and that the driver sends on through another one
// is handed over by release and acquire on ring indices, half of them in the other mapping, so the sanitizer sees two
// accesses to the buffer without an order. Only the functions that touch the bytes of frames are named; rings are not.

extern "C" const char* __tsan_default_suppressions();

extern "C" const char* __tsan_default_suppressions() {
  return "race:usvhost::copy_bytes\n"
         "race:usvhost::Frame::write_ethernet\n"
         "race:usvhost::checksum_detail::sum\n"
         "race:load_bytes_once\n";
}
