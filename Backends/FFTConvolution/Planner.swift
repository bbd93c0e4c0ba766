import SwitchbackBackendKit
import SwitchbackFFTLibrary

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Makes FFTW's plans by measuring, and keeps what was learned for the next process, for this CPU and this FFTW.
package struct Planner: @unchecked Sendable {
  // Unchecked: pointers to functions and texts that live as long as the process.
  let fftw: UnsafePointer<switchback_fftw>
  let host: HostServices
  /// Seconds that measuring one plan may take.
  let limit: Double

  init(_ fftw: UnsafePointer<switchback_fftw>, host: HostServices, limit: Double = 1) {
    (self.fftw, self.host, self.limit) = (fftw, host, limit)
    // Wisdom of another library or another CPU is not found under the key, and a spoilt one is no wisdom.
    if let known = recall() { _ = known.withCString { switchback_fftw_learn($0) } }
  }

  /// At most 100 bytes, as the host demands.
  package static func key(version: String, cpu: String) -> String {
    "fft wisdom " + String(decoding: Array("\(version) \(cpu)".utf8.filter { $0 < 128 }.suffix(85)), as: UTF8.self)
  }

  private var key: String {
    Self.key(version: String(cString: fftw.pointee.version), cpu: String(cString: switchback_cpu_model()))
  }

  private func recall() -> String? {
    let table = host.table.pointee
    var size: UInt64 = 0
    var nothing: UInt8 = 0
    // Asking without room gives the size.
    _ = table.recall(table.`self`, key, &nothing, &size)
    guard size > 0, size <= 16 << 20 else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(size))
    guard table.recall(table.`self`, key, &bytes, &size) == 0 else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Hands what FFTW knows to the host.
  func remember() {
    guard let text = switchback_fftw_wisdom() else { return }
    defer { free(text) }
    let table = host.table.pointee
    _ = table.remember(table.`self`, key, text, UInt64(strlen(text)))
  }

  /// The plan for a shape; `data` is overwritten.
  func plan(
    _ shape: switchback_fftw_shape, _ data: UnsafeMutablePointer<Float>, _ fingerprint: inout UInt64
  ) throws(BackendError) -> UnsafeRawPointer {
    var shape = shape
    var own: UInt64 = 0
    guard let plan = switchback_fftw_plan(&shape, limit, data, &own) else {
      throw BackendError(.outOfMemory, "FFTW has no memory for a plan of \(shape.length) points")
    }
    fingerprint = (fingerprint ^ own) &* 0x100_0000_01b3
    return plan
  }
}
