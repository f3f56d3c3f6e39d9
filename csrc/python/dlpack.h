// The DLPack structures, as its specification lays them out in memory (versions 0 and 1).
#pragma once

#include <cstdint>

namespace s3dlio::python::dlpack {

constexpr int32_t kCpu = 1;
constexpr int32_t kCudaHost = 3;  // pinned memory is memory
constexpr uint8_t kUnsigned = 1;
constexpr uint64_t kReadOnly = 1;  // flags
constexpr uint64_t kIsCopy = 2;

struct Device {
  int32_t type;
  int32_t id;
};
struct DataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct Tensor {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: row-major
  uint64_t byte_offset;
};
struct Managed {  // "dltensor"
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};
struct Version {
  uint32_t major;
  uint32_t minor;
};
struct ManagedVersioned {  // "dltensor_versioned"
  Version version;
  void* context;
  void (*deleter)(ManagedVersioned*);
  uint64_t flags;
  Tensor tensor;
};

}  // namespace s3dlio::python::dlpack
