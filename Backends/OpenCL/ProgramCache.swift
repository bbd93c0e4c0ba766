import SwitchbackBackendKit
import SwitchbackOpenCLLibrary
import Synchronization

/// Compiled programs of a device by source and options, built in parallel, and kept for the next process where the
/// driver does not do that itself.
final class ProgramCache: @unchecked Sendable {
  // Unchecked: the dictionary is touched under the lock, and OpenCL's objects may be used from any thread.
  private struct Key: Hashable {
    var source: String
    var options: String
  }

  private let device: ocl_object
  private let context: ocl_object
  private let traits: DeviceTraits
  private let host: HostServices
  private let lock = Mutex(())
  private var programs: [Key: ocl_object] = [:]

  init(_ device: ocl_object, _ context: ocl_object, _ traits: DeviceTraits, host: HostServices) {
    (self.device, self.context, self.traits, self.host) = (device, context, traits, host)
  }

  deinit { for program in programs.values { ocl_release(OCL_PROGRAM, program) } }

  /// Makes sure that the programs of all kernels are there.
  func build(_ kernels: [KernelName]) throws(BackendError) {
    let missing = lock.withLock { _ in
      Array(Set(kernels.map { Key(source: $0.source, options: $0.options) }).filter { programs[$0] == nil })
    }.sorted { ($0.source, $0.options) < ($1.source, $1.options) }
    guard !missing.isEmpty else { return }
    let failure = Mutex<BackendError?>(nil)
    let done = Mutex(0)
    host.parallel(missing.count) { item, _ in
      do throws(BackendError) {
        let program = try self.make(missing[item])
        self.lock.withLock { _ in self.programs[missing[item]] = program }
        done.withLock { done in
          done += 1
          self.host.log(1, "opencl: compiled \(done) of \(missing.count) kernel programs for \(self.traits.name)")
        }
      } catch {
        failure.withLock { if $0 == nil { $0 = error } }
      }
    }
    host.log(1, "")
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// A kernel of its own, whose arguments the caller sets; `build` came before.
  func kernel(_ name: KernelName) throws(BackendError) -> ocl_object {
    let program = lock.withLock { _ in programs[Key(source: name.source, options: name.options)] }
    guard let program else { throw BackendError(.internal, "the program \(name.source) was not built") }
    var kernel: ocl_object?
    try check(ocl_kernel(program, name.function, &kernel), "making the kernel \(name.function)")
    guard let kernel else { throw BackendError(.internal, "OpenCL made no kernel \(name.function)") }
    return kernel
  }

  private func make(_ key: Key) throws(BackendError) -> ocl_object {
    guard let functions = ocl_source("functions"), let own = ocl_source(key.source) else {
      throw BackendError(.internal, "there is no kernel source \(key.source)")
    }
    let source = String(cString: functions) + String(cString: own)
    let options = traits.buildOptions + (key.options.isEmpty ? "" : " " + key.options)
    let stored = storeKey(source, options)
    var program: ocl_object?
    if !traits.cachesPrograms, let binary = host.recall(stored) {
      // A binary that no longer fits the driver is like none.
      let status = binary.withUnsafeBytes {
        ocl_program_from_binary(context, device, $0.baseAddress, $0.count, options, &program)
      }
      if status == 0, let program { return program }
    }
    let status = ocl_program(context, device, source, options, &program)
    guard status == 0, let program else {
      let log = String(cString: ocl_build_log()).split(whereSeparator: \.isNewline).joined(separator: "; ")
      // Of its cache the log of PoCL says nothing.
      let cache = traits.driver.contains("Portable Computing Language") ? Diagnosis.poclCacheFault() : nil
      let reasons = [log, cache ?? ""].filter { !$0.isEmpty }.joined(separator: "; ")
      try check(status, "compiling \(key.source).cl for \(traits.name)\(reasons.isEmpty ? "" : " (\(reasons))")")
      throw BackendError(.internal, "OpenCL made no program of \(key.source).cl")
    }
    if !traits.cachesPrograms { remember(stored, program) }
    return program
  }

  // MARK: Binaries

  private func storeKey(_ source: String, _ options: String) -> String {
    var fingerprint = Fingerprint()
    for text in [source, options, traits.name, traits.vendor, traits.driver] { fingerprint.mix(text) }
    return "opencl/program/" + fingerprint.text
  }

  private func remember(_ key: String, _ program: ocl_object) {
    var size = 0
    guard ocl_binary(program, nil, &size) == 0, size > 0 else { return }
    var bytes = [UInt8](repeating: 0, count: size)
    guard ocl_binary(program, &bytes, &size) == 0 else { return }
    host.remember(key, bytes)
  }
}
