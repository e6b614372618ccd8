// SPDX-License-Identifier: Apache-2.0
// Events from native threads to a JavaScript callback: queued without blocking, delivered on the loop's thread in order.
#pragma once

#include <napi.h>

#include <memory>

namespace usvhost::js {

template <class Event>
class EventQueue {
 public:
  using ToJs = Napi::Object (*)(Napi::Env, const Event&);

  EventQueue(Napi::Env env, Napi::Function callback, ToJs to_js)
      : function_(Napi::ThreadSafeFunction::New(env, callback, "usvhost events", 0, 1)), to_js_(to_js) {
    // The daemons decide how long the process lives, not a pending event source.
    function_.Unref(env);
  }

  /** Any thread. An event after close() is dropped: nobody can want it any more. */
  void push(Event event) {
    auto* held = new Held{std::move(event), to_js_};
    napi_status queued = function_.NonBlockingCall(held, [](Napi::Env env, Napi::Function callback, Held* value) {
      std::unique_ptr<Held> owned(value);
      if (env != nullptr && callback != nullptr) callback.Call({value->to_js(env, value->event)});
    });
    if (queued != napi_ok) delete held;
  }

  /** After all threads that push have ended. */
  void close() {
    if (!closed_) function_.Release();
    closed_ = true;
  }

 private:
  struct Held {
    Event event;
    ToJs to_js;
  };
  Napi::ThreadSafeFunction function_;
  ToJs to_js_;
  bool closed_ = false;
};

}  // namespace usvhost::js
