// SPDX-License-Identifier: Apache-2.0
#include "addon/values.h"

namespace usvhost::js {

void throw_status(Napi::Env env, const Status& status) {
  auto* data = env.GetInstanceData<AddonData>();
  Napi::Value error = data->make_error.Call({Napi::String::New(env, status.code), Napi::String::New(env, status.text)});
  if (!env.IsExceptionPending()) Napi::Error(env, error).ThrowAsJavaScriptException();
}

namespace {

Napi::Value expect(const Napi::Object& from, const char* key, bool (*is)(const Napi::Value&), const char* kind) {
  Napi::Value value = from.Get(key);
  if (!is(value)) throw_status(from.Env(), failure("USV_INTERNAL", "expected %s for native option %s", kind, key));
  return value;
}

}  // namespace

double number(const Napi::Object& from, const char* key) {
  Napi::Value value = expect(from, key, [](const Napi::Value& v) { return v.IsNumber(); }, "a number");
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
}

bool boolean(const Napi::Object& from, const char* key) {
  Napi::Value value = expect(from, key, [](const Napi::Value& v) { return v.IsBoolean(); }, "a boolean");
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

std::string text(const Napi::Object& from, const char* key) {
  Napi::Value value = expect(from, key, [](const Napi::Value& v) { return v.IsString(); }, "a string");
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

PollMode poll_mode(const Napi::Object& from, const char* key) {
  std::string mode = text(from, key);
  if (mode == "poll") return PollMode::kPoll;
  if (mode == "interrupt") return PollMode::kInterrupt;
  if (mode != "adaptive" && !from.Env().IsExceptionPending()) {
    throw_status(from.Env(), failure("USV_INTERNAL", "expected a poll mode for native option %s", key));
  }
  return PollMode::kAdaptive;
}

bool has(const Napi::Object& from, const char* key) {
  Napi::Value value = from.Get(key);
  return !value.IsUndefined() && !value.IsNull();
}

Napi::Object object(const Napi::Object& from, const char* key) {
  Napi::Value value = expect(from, key, [](const Napi::Value& v) { return v.IsObject(); }, "an object");
  return value.IsObject() ? value.As<Napi::Object>() : Napi::Object::New(from.Env());
}

std::vector<int> integers(const Napi::Object& from, const char* key) {
  Napi::Value value = expect(from, key, [](const Napi::Value& v) { return v.IsArray(); }, "a list");
  std::vector<int> all;
  if (!value.IsArray()) return all;
  auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) all.push_back(list.Get(i).ToNumber().Int32Value());
  return all;
}

std::vector<Napi::Object> objects(const Napi::Object& from, const char* key) {
  Napi::Value value = expect(from, key, [](const Napi::Value& v) { return v.IsArray(); }, "a list");
  std::vector<Napi::Object> all;
  if (!value.IsArray()) return all;
  auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    if (list.Get(i).IsObject()) all.push_back(list.Get(i).As<Napi::Object>());
  }
  return all;
}

Napi::Object metrics(Napi::Env env, const std::vector<Metric>& values) {
  Napi::Object out = Napi::Object::New(env);
  for (const Metric& value : values) out.Set(value.name, Napi::Number::New(env, value.value));
  return out;
}

}  // namespace usvhost::js
