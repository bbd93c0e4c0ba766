import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackFFTConvolution
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// Two convolutions and their gradients with updates of both filters; the second is depthwise.
private func step() throws -> Program {
  var builder = ProgramBuilder(name: "step")
  let x = builder.input("x", .float32([5, 9, 8, 6]))
  let w = builder.state("w", .float32([5, 5, 6, 4]))
  let v = builder.state("v", .float32([7, 7, 1, 4]))
  let same = ConvolutionGeometry(padding: [2, 2, 2, 2])
  let hidden = try builder.append(Unary(.tanh), try builder.append(Convolution2D(same), x, w))
  let y = try builder.append(Convolution2D(ConvolutionGeometry(padding: [3, 3, 3, 3], groups: 4)), hidden, v)
  let loss = try builder.append(Reduce(.sum, axes: [0, 1, 2, 3]), try builder.append(Unary(.square), y))
  let gradients = try builder.gradients(of: loss, for: [x, w, v])
  let rate = builder.step("rate", .float32([]))
  for state in [w, v] {
    let allow = try builder.append(AllFinite(), gradients[state.id]!)
    _ = try builder.append(SGDUpdate(), [state, gradients[state.id]!, rate, allow])
  }
  builder.output("loss", loss)
  builder.output("dx", gradients[x.id]!)
  return builder.build()
}

/// The bits after some steps: loss, image's gradient and both filters.
private func bits(of executor: ProgramExecutor, steps: Int) throws -> [[UInt32]] {
  func fill(_ bytes: UnsafeMutableRawBufferPointer) {
    var dice = Dice(state: UInt64(bytes.count))
    for e in 0..<bytes.count / 4 {
      bytes.storeBytes(of: Float(dice.roll(-1000...1000)) / 5000, toByteOffset: 4 * e, as: Float.self)
    }
  }
  for name in ["w", "v"] { try executor.states.withMutableBytes(of: name, fill) }
  try executor.withInput("x", fill)
  try executor.withInput("rate") { $0.storeBytes(of: 0.001, as: Float.self) }
  for _ in 0..<steps { try executor.run() }
  func words(_ bytes: UnsafeRawBufferPointer) -> [UInt32] { Array(bytes.bindMemory(to: UInt32.self)) }
  return try [
    executor.withOutput("loss", words), executor.withOutput("dx", words),
    executor.states.withBytes(of: "w") { words(UnsafeRawBufferPointer($0)) },
    executor.states.withBytes(of: "v") { words(UnsafeRawBufferPointer($0)) },
  ]
}

/// fft, directly or behind the C contract, and the reference.
private func fftAndReference(throughC: Bool = false, store: String? = nil) throws -> BackendChain {
  let host = try HostServices(workers: 2, store: store)
  let fft: any ComputeBackend =
    throughC ? try LoadedBackend(table: exportBackend(FFTBackend())) : FFTBackend()
  return BackendChain(
    [
      .init(name: "fft", device: try fft.open(device: 0, options: ["force": "true"], host: host)),
      .init(name: "reference", device: try ReferenceBackend().open(device: 0, options: [:], host: host)),
    ], host: host)
}

@Suite(.enabled(if: isFFTHere(), "libfftw3f.so.3 or libopenblas.so.0 is not on this machine"))
struct KeepTests {
  @Test("the passes of a step share spectra, and sharing changes no bits", arguments: [false, true])
  func sharing(throughC: Bool) throws {
    let chain = try fftAndReference(throughC: throughC)
    let shared = try ProgramExecutor(step(), on: chain, states: StateStore())
    let alone = try ProgramExecutor(step(), on: chain, states: StateStore(), keepLimit: 0)
    let plan = KeepPlan(
      shared.plan.segments, shared.plan.reports, end: shared.program.calls.count, limit: .max)
    // Six convolutions: x, w and dy of the first, each twice; of the depthwise one only the filter, twice.
    #expect(plan.ofSegment.map(\.count).reduce(0, +) == 8)
    #expect(plan.memories.count == 4)
    #expect(plan.memories.filter(\.isLasting).count == 2)
    let found = try bits(of: shared, steps: 4)
    #expect(found == (try bits(of: alone, steps: 4)))
    #expect(found == (try bits(of: ProgramExecutor(step(), on: try fftAndReference(), states: StateStore()), steps: 4)))
    #expect(found[0].map(Float.init(bitPattern:)).allSatisfy { $0.isFinite && $0 > 0 })
  }

  @Test("a filter's spectrum is made again for new contents and only then", arguments: [false, true])
  func generations(throughC: Bool) throws {
    var builder = ProgramBuilder(name: "inference")
    let x = builder.input("x", .float32([1, 6, 6, 2]))
    let w = builder.state("w", .float32([3, 3, 2, 2]))
    builder.output("y", try builder.append(Convolution2D(), x, w))
    let states = StateStore()
    let executor = try ProgramExecutor(builder.build(), on: try fftAndReference(throughC: throughC), states: states)
    try executor.withInput("x") { bytes in
      for e in 0..<72 { bytes.storeBytes(of: Float(1), toByteOffset: 4 * e, as: Float.self) }
    }
    func set(_ value: Float, _ bytes: UnsafeMutableRawBufferPointer) {
      for e in 0..<36 { bytes.storeBytes(of: value, toByteOffset: 4 * e, as: Float.self) }
    }
    func result() throws -> Float {
      try executor.run()
      return try executor.withOutput("y") { $0.load(as: Float.self) }
    }
    try states.withMutableBytes(of: "w") { set(1, $0) }
    #expect(abs(try result() - 18) < 1e-4)
    // Behind the store's back: nobody is told, so the spectrum stays.
    try states.withBytes(of: "w") { set(5, UnsafeMutableRawBufferPointer(mutating: $0)) }
    #expect(abs(try result() - 18) < 1e-4)
    try states.withMutableBytes(of: "w") { set(2, $0) }
    #expect(abs(try result() - 36) < 1e-4)
  }

  @Test("what planning learned is in the host's store, and spoilt wisdom does no harm")
  func wisdom() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/switchback-wisdom-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let executor = try ProgramExecutor(step(), on: try fftAndReference(store: folder), states: StateStore())
    #expect(executor.plan.reports.contains { $0.fingerprint != 0 })
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
    let file = try #require(files.first)
    let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file)), as: UTF8.self)
    #expect(files.count == 1 && text.contains("fftwf_wisdom"))
    let key = Planner.key(version: "fftw-3.3.10", cpu: String(repeating: "a long name ", count: 20))
    #expect(key.utf8.count <= 100 && key != Planner.key(version: "fftw-3.3.9", cpu: "another"))
    try Data("no wisdom".utf8).write(to: URL(fileURLWithPath: folder + "/" + file))
    let again = try ProgramExecutor(step(), on: try fftAndReference(store: folder), states: StateStore())
    #expect(try bits(of: again, steps: 1) == bits(of: executor, steps: 1))
    #expect(again.plan.fingerprint == executor.plan.fingerprint)
  }

  @Test("without FFTW's library the backend is there and says what to install")
  func missingLibrary() throws {
    let folders = BackendRegistry.defaultFolders
    let file = try #require(
      folders.map { $0 + "/libSwitchbackFFT.so" }.first { FileManager.default.isReadableFile(atPath: $0) })
    var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
    let name = Data("libfftw3f.so.3\0".utf8)
    let place = try #require(bytes.range(of: name))
    bytes.replaceSubrange(place, with: Data("libfftw3f.so.9\0".utf8))
    let copy = FileManager.default.temporaryDirectory.path + "/libSwitchbackFFT-\(UUID().uuidString).so"
    defer { try? FileManager.default.removeItem(atPath: copy) }
    try bytes.write(to: URL(fileURLWithPath: copy))
    let backend = try LoadedBackend(file: copy)
    #expect(backend.identity.name == "fft")
    let error = #expect(throws: BackendError.self) { try backend.devices() }
    #expect(error?.kind == .unavailable)
    #expect(error?.message.contains("libfftw3") == true && error?.message.contains("install") == true)
  }
}
