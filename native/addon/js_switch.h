// SPDX-License-Identifier: Apache-2.0
// NativeSwitch: the switch as a JavaScript class. Every method returns at once; frames never come here.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/event_queue.h"
#include "switch/switch.h"

namespace usvhost::js {

class JsSwitch : public Napi::ObjectWrap<JsSwitch> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit JsSwitch(const Napi::CallbackInfo& info);
  ~JsSwitch() override { close(); }

 private:
  void add_port(const Napi::CallbackInfo& info);
  Napi::Value remove_port(const Napi::CallbackInfo& info);
  Napi::Value ports(const Napi::CallbackInfo& info);
  Napi::Value sleeps(const Napi::CallbackInfo& info);
  void close_from_js(const Napi::CallbackInfo& info);
  void close();

  std::unique_ptr<EventQueue<PortEvent>> events_;
  std::unique_ptr<Switch> switch_;
};

}  // namespace usvhost::js
