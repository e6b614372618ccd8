// SPDX-License-Identifier: Apache-2.0
// The C++ side of the border to JavaScript: three classes and the error factory. native/index.ts is the other side.
#include "addon/js_dataplane.h"
#include "addon/js_frame_consumer.h"
#include "addon/js_switch.h"
#include "addon/values.h"

namespace usvhost::js {

namespace {

void set_error_factory(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<AddonData>()->make_error = Napi::Persistent(info[0].As<Napi::Function>());
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData);  // freed with the environment
  exports.Set("setErrorFactory", Napi::Function::New(env, set_error_factory));
  exports.Set("NativeSwitch", JsSwitch::define(env));
  exports.Set("NativeDataplane", JsDataplane::define(env));
  exports.Set("NativeFrameConsumer", JsFrameConsumer::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(usvhost, init)

}  // namespace usvhost::js
