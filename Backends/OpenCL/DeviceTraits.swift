import SwitchbackBackendKit
import SwitchbackOpenCLLibrary

/// What kernels are made for: the device's class, its widths and limits.
struct DeviceTraits: Sendable {
  /// Which templates of the kernels run well.
  enum Class: String, CaseIterable, Sendable {
    /// Registers, no local memory: on PoCL a tile in local memory was 20 times slower.
    case cpu
    /// Tiles in local memory: AMD, NVIDIA.
    case gpu
    case intel
    /// Works everywhere, promises nothing.
    case other
  }

  var deviceClass: Class
  var tiles = TileTable()
  var name: String
  var vendor: String
  /// `cpu`, `gpu` or `accelerator`.
  var kind: String
  /// Platform, its version and the driver's.
  var driver: String
  var computeUnits: Int
  var vectorWidth: Int
  var maxAllocation: Int
  var globalMemory: Int
  /// Bytes to which a sub-buffer's start is aligned.
  var alignment: Int
  var maxWorkGroup: Int
  var hasFloat64: Bool
  /// Whether host memory can be adopted without a copy.
  var isUnified: Bool
  var roundsDivision: Bool
  var isAvailable: Bool
  /// Whether the driver keeps compiled programs itself: NVIDIA and PoCL do.
  var cachesPrograms: Bool

  init(_ device: ocl_object, platform: ocl_object) throws(BackendError) {
    func text(_ object: ocl_object, _ what: Int) throws(BackendError) -> String {
      var buffer = [CChar](repeating: 0, count: 4096)
      try check(ocl_text(object, Int32(what), &buffer, buffer.count), "asking an OpenCL device")
      return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    func number(_ what: Int) throws(BackendError) -> Int {
      var value: UInt64 = 0
      try check(ocl_number(device, Int32(what), &value), "asking an OpenCL device")
      return Int(clamping: value)
    }
    name = try text(device, OCL_DEVICE_NAME)
    vendor = try text(device, OCL_DEVICE_VENDOR)
    let platformName = try text(platform, OCL_PLATFORM_NAME)
    driver =
      "\(platformName), \(try text(platform, OCL_PLATFORM_VERSION)), "
      + "driver \(try text(device, OCL_DRIVER_VERSION))"
    computeUnits = try number(OCL_COMPUTE_UNITS)
    vectorWidth = try number(OCL_VECTOR_WIDTH)
    maxAllocation = try number(OCL_MAX_ALLOCATION)
    globalMemory = try number(OCL_GLOBAL_MEMORY)
    alignment = max(try number(OCL_BASE_ALIGNMENT), 64)
    maxWorkGroup = try number(OCL_MAX_WORK_GROUP)
    hasFloat64 = try number(OCL_HAS_FLOAT64) != 0
    isUnified = try number(OCL_IS_UNIFIED) != 0
    roundsDivision = try number(OCL_ROUNDS_DIVISION) != 0
    isAvailable = try number(OCL_IS_AVAILABLE) != 0
    cachesPrograms = platformName.contains("NVIDIA") || platformName.contains("Portable Computing Language")
    let isNamed = { [vendor, platformName] (word: String) in vendor.contains(word) || platformName.contains(word) }
    kind = try number(OCL_IS_CPU) != 0 ? "cpu" : try number(OCL_IS_GPU) != 0 ? "gpu" : "accelerator"
    if kind == "cpu" {
      deviceClass = .cpu
    } else if isNamed("Intel") {
      deviceClass = .intel
    } else if isNamed("NVIDIA") || isNamed("AMD") || isNamed("Advanced Micro Devices") {
      deviceClass = .gpu
    } else {
      deviceClass = .other
    }
    if kind == "accelerator" { deviceClass = .other }
  }

  var info: DeviceInfo {
    DeviceInfo(
      name: name, vendor: vendor,
      driver: "\(driver), \(computeUnits) compute units, kernels for \(deviceClass.rawValue); "
        + "\(globalMemory >> 20) MiB, at most \(maxAllocation >> 20) MiB in one piece",
      hasPrivateMemory: true, maxAllocation: maxAllocation, alignment: alignment, kind: kind)
  }

  /// What programs are compiled with: correct rounding where the device has it, and no warnings, whose number PoCL
  /// prints to whoever uses a program.
  var buildOptions: String { "-w -cl-std=CL1.2" + (roundsDivision ? " -cl-fp32-correctly-rounded-divide-sqrt" : "") }

  /// The tile of a product with so many columns: what was measured on this device, or what suits its class.
  func tile(columns: Int) -> Tile { tiles.tile(columns: columns) ?? classTile(columns: columns) }

  private func classTile(columns: Int) -> Tile {
    func tile(rows: Int, vector: Int, most: Int, group: Int) -> Tile {
      var block = vector
      while block < columns, block < most { block *= 2 }
      return Tile(rows: rows, vector: vector, block: block, group: group)
    }
    switch deviceClass {
    // 32 registers of 16 floats hold 6 × 64 results beside what they are made of; 16 of 8 floats hold 6 × 16.
    case .cpu:
      return vectorWidth >= 16
        ? tile(rows: 6, vector: 16, most: 64, group: 1) : tile(rows: 6, vector: 8, most: 16, group: 1)
    case .gpu where maxWorkGroup >= 256: return .local
    case .intel: return tile(rows: 4, vector: 8, most: 8, group: 16)
    default: return tile(rows: 4, vector: 4, most: 8, group: 32)
    }
  }
}
