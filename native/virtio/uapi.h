// SPDX-License-Identifier: Apache-2.0
// The kernel's wire structures of virtio, which are written for C: one field is named `class`, and a helper of the ring
// header converts pointers as only C does. Nothing else includes these headers directly.
#pragma once

#include <linux/types.h>

#define VIRTIO_RING_NO_LEGACY
#define class class_of_command
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#undef class
