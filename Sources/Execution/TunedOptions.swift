public import SwitchbackBackendKit

/// Options of a backend that were measured to be the best for a device and its driver's version on this host: they hold
/// wherever the user's configuration says nothing else.
public struct TunedOptions {
  private let key: String

  public init(of backend: any ComputeBackend, device index: Int) throws(BackendError) {
    var fingerprint = Fingerprint()
    fingerprint.mix(backend.identity.name)
    fingerprint.mix(backend.identity.version)
    fingerprint.mix((backend as? LoadedBackend)?.fileMark ?? "")
    let devices = try backend.devices()
    if devices.indices.contains(index) { fingerprint.mix(devices[index].identity) }
    key = "tuned-2-" + fingerprint.text
  }

  public func recalled(by host: HostServices) -> [String: String] {
    var options: [String: String] = [:]
    for line in String(decoding: host.recall(key) ?? [], as: UTF8.self).split(separator: "\n") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      options[String(line[..<equals])] = String(line[line.index(after: equals)...])
    }
    return options
  }

  /// Without options the device is as if it had never been tuned.
  public func remember(_ options: [String: String], by host: HostServices) {
    let lines = options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
    host.remember(key, Array(lines.joined().utf8))
  }
}
