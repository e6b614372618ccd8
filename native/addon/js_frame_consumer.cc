// SPDX-License-Identifier: Apache-2.0
#include "addon/js_frame_consumer.h"

#include "addon/exchange_registry.h"
#include "addon/values.h"

namespace usvhost::js {

Napi::Function JsFrameConsumer::define(Napi::Env env) {
  return DefineClass(
      env, "NativeFrameConsumer",
      {InstanceMethod<&JsFrameConsumer::take>("take"), InstanceMethod<&JsFrameConsumer::give>("give"),
       InstanceMethod<&JsFrameConsumer::memory>("memory"), InstanceMethod<&JsFrameConsumer::layout>("layout"),
       InstanceMethod<&JsFrameConsumer::close_from_js>("close")});
}

JsFrameConsumer::JsFrameConsumer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<JsFrameConsumer>(info) {
  Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsNumber() || !info[1].IsFunction()) {
    throw_status(env, failure("USV_INTERNAL", "expected a number and a callback for NativeFrameConsumer"));
    return;
  }
  uint32_t number = info[0].As<Napi::Number>().Uint32Value();
  std::shared_ptr<FrameExchange> exchange = ExchangeRegistry::shared().find(number);
  if (!exchange) {
    throw_status(env, failure("USV_INTERNAL", "expected the exchange of an open dataplane, got %u", number));
    return;
  }
  auto to_js = [](Napi::Env to, const FramesWait&) { return Napi::Object::New(to); };
  events_ = std::make_unique<EventQueue<FramesWait>>(env, info[1].As<Napi::Function>(), to_js, [this] { close(); });
  // At most one is queued: the exchange tells again only after take() has found nothing.
  if (!exchange->attach([events = events_.get()] { events->push({}); })) {
    events_->close();
    throw_status(env, failure("USV_INTERNAL", "expected an exchange without a consumer, got one that has one"));
    return;
  }
  exchange_ = std::move(exchange);
}

/** The exchange goes first: it calls the events. Its memory lives on in the ArrayBuffer. */
void JsFrameConsumer::close() {
  if (exchange_) exchange_->detach();
  exchange_.reset();
  if (events_) events_->close();
}

void JsFrameConsumer::close_from_js(const Napi::CallbackInfo&) { close(); }

Napi::Value JsFrameConsumer::take(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), exchange_ ? exchange_->take() : -1);
}

void JsFrameConsumer::give(const Napi::CallbackInfo& info) {
  if (exchange_) exchange_->give(info[0].ToBoolean().Value());
}

Napi::Value JsFrameConsumer::memory(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!exchange_) {
    throw_status(env, failure("USV_INTERNAL", "expected an open NativeFrameConsumer, got a closed one"));
    return env.Undefined();
  }
  auto* held = new std::shared_ptr<FrameExchange>(exchange_);
  return Napi::ArrayBuffer::New(
      env, exchange_->memory(), FrameExchange::kBytes,
      [](Napi::Env, void*, std::shared_ptr<FrameExchange>* owned) { delete owned; }, held);
}

Napi::Value JsFrameConsumer::layout(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object out = Napi::Object::New(env);
  auto set = [&](const char* name, size_t value) { out.Set(name, Napi::Number::New(env, static_cast<double>(value))); };
  using Words = FrameExchange::Words;
  set("bursts", FrameExchange::kBursts);
  set("frames", FrameExchange::kFrames);
  set("capacity", kPayloadCapacity);
  set("wordsBytes", sizeof(Words));
  set("countOffset", offsetof(Words, count));
  set("portOffset", offsetof(Words, port));
  set("lengthOffset", offsetof(Words, length));
  set("verdictOffset", offsetof(Words, verdict));
  set("framesOffset", FrameExchange::kFramesOffset);
  set("frameStride", kBufferStride);
  return out;
}

}  // namespace usvhost::js
