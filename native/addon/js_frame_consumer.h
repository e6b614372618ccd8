// SPDX-License-Identifier: Apache-2.0
// NativeFrameConsumer: the handler's end of a FrameExchange as a JavaScript class, used in a worker. JavaScript reads and
// writes frames and decisions in one ArrayBuffer; it calls here once or twice a burst, never once a frame.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "addon/event_queue.h"
#include "engines/frame_exchange.h"

namespace usvhost::js {

class JsFrameConsumer : public Napi::ObjectWrap<JsFrameConsumer> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit JsFrameConsumer(const Napi::CallbackInfo& info);
  ~JsFrameConsumer() override { close(); }

 private:
  struct FramesWait {
    std::string port;  // of the exchange, which is one: it has no name
  };
  Napi::Value take(const Napi::CallbackInfo& info);
  void give(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value layout(const Napi::CallbackInfo& info);
  void close_from_js(const Napi::CallbackInfo& info);
  void close();

  std::unique_ptr<EventQueue<FramesWait>> events_;
  std::shared_ptr<FrameExchange> exchange_;
};

}  // namespace usvhost::js
