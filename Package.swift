// swift-tools-version: 6.1
import PackageDescription

/// A target of our own: its folder is short, its module carries the prefix, because module names are global.
func module(
  _ name: String, at path: String? = nil, _ dependencies: [Target.Dependency] = [], exclude: [String] = [],
  swiftSettings: [SwiftSetting] = []
) -> Target {
  .target(
    name: "Switchback\(name)", dependencies: dependencies, path: path ?? "Sources/\(name)", exclude: exclude,
    swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(name)Tests", exclude: exclude)
}

let package = Package(
  name: "switchback",
  products: [
    .library(name: "Switchback", targets: ["Switchback"]),
    .library(name: "OpenBLASBackend", type: .static, targets: ["SwitchbackOpenBLAS"]),
    .library(name: "SwitchbackOpenBLAS", type: .dynamic, targets: ["SwitchbackOpenBLASPlugin"]),
    .library(name: "OpenCLBackend", type: .static, targets: ["SwitchbackOpenCL"]),
    .library(name: "SwitchbackOpenCL", type: .dynamic, targets: ["SwitchbackOpenCLPlugin"]),
    .library(name: "FFTBackend", type: .static, targets: ["SwitchbackFFTConvolution"]),
    .library(name: "SwitchbackFFT", type: .dynamic, targets: ["SwitchbackFFTPlugin"]),
    .executable(name: "switchback", targets: ["SwitchbackCommandLine"]),
  ],
  traits: [
    .trait(name: "OpenBLAS", description: "The OpenBLAS backend (headers: libopenblas-dev)"),
    .trait(
      name: "FFT", description: "The FFT convolution backend (headers: libfftw3-dev)", enabledTraits: ["OpenBLAS"]),
    .trait(name: "OpenCL", description: "The OpenCL backend (headers: ocl-icd-opencl-dev)"),
    .trait(name: "ImageFiles", description: "gzip, PNG and JPEG files (zlib1g-dev, libpng-dev, libturbojpeg0-dev)"),
    .default(enabledTraits: ["OpenBLAS", "FFT", "OpenCL", "ImageFiles"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // MARK: The contract
    .target(name: "SwitchbackABI", path: "Sources/SwitchbackABI"),

    // MARK: What is computed, who can compute, how it runs
    module("Programs"),
    .target(name: "SwitchbackWorkerPool", dependencies: ["SwitchbackABI"], path: "Sources/BackendKit/CWorkerPool"),
    module(
      "BackendKit", ["SwitchbackPrograms", "SwitchbackABI", "SwitchbackWorkerPool"], exclude: ["CWorkerPool"]),
    .target(name: "SwitchbackCrashNote", path: "Sources/Execution/CCrashNote"),
    .target(name: "SwitchbackArithmeticRoof", path: "Sources/Execution/CArithmeticRoof"),
    module(
      "Execution", ["SwitchbackBackendKit", "SwitchbackCrashNote", "SwitchbackArithmeticRoof"],
      exclude: ["CCrashNote", "CArithmeticRoof"]),
    .target(name: "SwitchbackAllocationWatch", path: "Sources/Conformance/CAllocationWatch"),
    module("Conformance", ["SwitchbackExecution", "SwitchbackAllocationWatch"], exclude: ["CAllocationWatch"]),

    // MARK: What users build with
    module("NeuralNetworks", ["SwitchbackPrograms"]),
    .target(
      name: "SwitchbackImageFiles", path: "Sources/Datasets/CImageFiles",
      cSettings: [.define("SWITCHBACK_IMAGE_FILES", .when(traits: ["ImageFiles"]))],
      linkerSettings: [
        .linkedLibrary("z", .when(traits: ["ImageFiles"])),
        .linkedLibrary("png16", .when(traits: ["ImageFiles"])),
        .linkedLibrary("turbojpeg", .when(traits: ["ImageFiles"])),
      ]),
    .target(name: "SwitchbackNumberText", path: "Sources/Datasets/CNumberText"),
    module("Datasets", ["SwitchbackImageFiles", "SwitchbackNumberText"], exclude: ["CImageFiles", "CNumberText"]),
    module("Interchange"),
    module("Inference", ["SwitchbackExecution", "SwitchbackDatasets", "SwitchbackInterchange"]),
    module(
      "Monitoring", ["SwitchbackPrograms", "SwitchbackInterchange"],
      exclude: ["Rules/README.md", "Laws/README.md", "Sinks/README.md"]),
    module(
      "Training",
      [
        "SwitchbackExecution", "SwitchbackConformance", "SwitchbackNeuralNetworks", "SwitchbackDatasets",
        "SwitchbackInterchange", "SwitchbackInference", "SwitchbackMonitoring", .product(name: "Yams", package: "Yams"),
      ]),
    .target(
      name: "Switchback", dependencies: ["SwitchbackTraining", "SwitchbackReference"], path: "Sources/Switchback"),
    .executableTarget(
      name: "SwitchbackCommandLine",
      dependencies: [
        "Switchback", "SwitchbackConformance", "SwitchbackInterchange", "SwitchbackCrashNote",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Sources/CommandLine"),

    // MARK: Backends
    module("Reference", at: "Backends/Reference", ["SwitchbackBackendKit"]),
    .target(name: "SwitchbackCPUKernels", path: "Backends/CPUKernels"),
    .target(
      name: "SwitchbackOpenBLASLibrary", path: "Backends/OpenBLAS/COpenBLAS",
      cSettings: [.define("SWITCHBACK_OPENBLAS", .when(traits: ["OpenBLAS"]))]),
    module(
      "OpenBLAS", at: "Backends/OpenBLAS",
      ["SwitchbackBackendKit", "SwitchbackCPUKernels", "SwitchbackOpenBLASLibrary"],
      exclude: ["COpenBLAS", "Plugin"]),
    module("OpenBLASPlugin", at: "Backends/OpenBLAS/Plugin", ["SwitchbackOpenBLAS"]),
    .target(
      name: "SwitchbackOpenCLLibrary", path: "Backends/OpenCL/COpenCL",
      cSettings: [.define("SWITCHBACK_OPENCL", .when(traits: ["OpenCL"]))]),
    module(
      "OpenCL", at: "Backends/OpenCL", ["SwitchbackBackendKit", "SwitchbackOpenCLLibrary"],
      exclude: ["COpenCL", "Kernels", "Plugin"]),
    module("OpenCLPlugin", at: "Backends/OpenCL/Plugin", ["SwitchbackOpenCL"]),
    .target(
      name: "SwitchbackFFTLibrary", path: "Backends/FFTConvolution/CFFT",
      cSettings: [.define("SWITCHBACK_FFT", .when(traits: ["FFT"]))]),
    module(
      "FFTConvolution", at: "Backends/FFTConvolution",
      ["SwitchbackBackendKit", "SwitchbackCPUKernels", "SwitchbackOpenBLASLibrary", "SwitchbackFFTLibrary"],
      exclude: ["CFFT", "Plugin"]),
    module("FFTPlugin", at: "Backends/FFTConvolution/Plugin", ["SwitchbackFFTConvolution"]),

    // MARK: Measuring
    .executableTarget(
      name: "convolution-times", dependencies: ["SwitchbackExecution", "SwitchbackReference"],
      path: "Benchmarks/ConvolutionTimes"),
    .executableTarget(
      name: "convolution-kernels", dependencies: ["SwitchbackCPUKernels", "SwitchbackOpenBLASLibrary"],
      path: "Benchmarks/ConvolutionKernels", linkerSettings: [.linkedLibrary("m")]),

    // MARK: Tests
    tests("BackendKit", ["SwitchbackBackendKit", "SwitchbackExecution", "SwitchbackReference", "TestFiles"]),
    tests("Execution", ["SwitchbackExecution"]),
    tests(
      "Conformance",
      ["SwitchbackConformance", "SwitchbackReference", "SwitchbackOpenBLAS", "SwitchbackCPUKernels"],
      exclude: ["Golden"]),
    tests(
      "FFTConvolution",
      ["SwitchbackTraining", "SwitchbackConformance", "SwitchbackReference", "SwitchbackFFTConvolution"]),
    tests(
      "OpenCL",
      [
        "SwitchbackTraining", "SwitchbackConformance", "SwitchbackReference", "SwitchbackOpenCL",
        "SwitchbackOpenCLLibrary", "TestFiles",
      ]),
    .target(name: "TestFiles", dependencies: ["SwitchbackDatasets"], path: "Tests/TestFiles"),
    tests("Datasets", ["SwitchbackDatasets", "TestFiles"]),
    .target(name: "SwitchbackAllocationCount", path: "Tests/AllocationCount"),
    tests(
      "Training",
      [
        "SwitchbackTraining", "SwitchbackConformance", "SwitchbackReference", "SwitchbackOpenBLAS",
        "SwitchbackFFTConvolution", "SwitchbackOpenCL", "SwitchbackOpenBLASLibrary", "SwitchbackAllocationCount",
        "TestFiles", .product(name: "Yams", package: "Yams"),
      ],
      exclude: ["Golden", "Snapshots"]),
    tests("CommandLine", ["SwitchbackCommandLine", "Switchback", "TestFiles"]),
    tests("NeuralNetworks", ["SwitchbackNeuralNetworks"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu2x
)

// SwiftPM compiles a target anew where the interface of a direct dependency changes. What stands behind a module that hands it on
// (`@_exported`) is not looked at, and code for an older layout stays in the program. So each target names all that it stands on.
for target in package.targets {
  target.dependencies = standsOn(target.dependencies, in: package.targets)
}

func standsOn(_ dependencies: [Target.Dependency], in targets: [Target]) -> [Target.Dependency] {
  var (all, names) = (dependencies, [String]())
  var next = dependencies
  while let dependency = next.popLast() {
    guard case .byNameItem(let name, _) = dependency, !names.contains(name) else { continue }
    names.append(name)
    next += targets.first { $0.name == name }?.dependencies ?? []
  }
  let named = dependencies.compactMap { if case .byNameItem(let name, _) = $0 { name } else { nil } }
  all += names.filter { !named.contains($0) }.map { .byName(name: $0) }
  return all
}
