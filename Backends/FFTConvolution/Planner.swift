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
    if let known = host.recall(key) {
      _ = String(decoding: known, as: UTF8.self).withCString { switchback_fftw_learn($0) }
    }
  }

  /// At most 100 bytes, as the host demands.
  package static func key(version: String, cpu: String) -> String {
    "fft wisdom " + String(decoding: Array("\(version) \(cpu)".utf8.filter { $0 < 128 }.suffix(85)), as: UTF8.self)
  }

  private var key: String {
    Self.key(version: String(cString: fftw.pointee.version), cpu: String(cString: switchback_cpu_model()))
  }

  /// Hands what FFTW knows to the host.
  func remember() {
    guard let text = switchback_fftw_wisdom() else { return }
    defer { free(text) }
    host.remember(key, Array(UnsafeRawBufferPointer(start: text, count: strlen(text))))
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
