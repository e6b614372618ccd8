// SPDX-License-Identifier: Apache-2.0
// NativeDataplane: ports, engine and their threads as a JavaScript class.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/event_queue.h"
#include "engines/dataplane.h"

namespace usvhost::js {

class JsDataplane : public Napi::ObjectWrap<JsDataplane> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit JsDataplane(const Napi::CallbackInfo& info);
  ~JsDataplane() override { close(); }

 private:
  Napi::Value report(const Napi::CallbackInfo& info);
  Napi::Value exchange(const Napi::CallbackInfo& info);
  void set_queue_pairs(const Napi::CallbackInfo& info);
  void set_running(const Napi::CallbackInfo& info);
  void close_from_js(const Napi::CallbackInfo& info);
  void close();

  std::unique_ptr<EventQueue<LinkEvent>> events_;
  std::unique_ptr<Dataplane> dataplane_;
  uint32_t exchange_ = 0;  // its number in the registry; 0: another engine
};

}  // namespace usvhost::js
