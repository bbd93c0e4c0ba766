public import SwitchbackBackendKit

/// Opened devices in order of preference: each operation goes to the first that accepts it.
public struct BackendChain: Sendable {
  public struct Link: Sendable {
    /// The backend's word in configs.
    public let name: String
    public let device: any ComputeDevice
    /// Of the backend.
    public let version: String
    /// What changes with the contents of the library that it was loaded from; empty where it is part of this program.
    package let library: String
    /// Whether it was opened with `trust: true`: it is used whatever its first check found.
    package let isTrusted: Bool
    /// What the configuration calls it (a name or a path), and the options that it gives.
    package let request: (name: String, options: [String: String])
    /// What the device was opened with, tuned options among them.
    package let options: [String: String]
    /// The same as `key=value`, in order.
    package var optionWords: [String] { options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" } }

    public init(name: String, device: any ComputeDevice, version: String = "") {
      self.init(
        name: name, device: device, version: version, library: "", isTrusted: false, options: [:],
        request: (name, [:]))
    }

    package init(
      name: String, device: any ComputeDevice, version: String, library: String, isTrusted: Bool,
      options: [String: String], request: (name: String, options: [String: String])
    ) {
      (self.name, self.device, self.version) = (name, device, version)
      (self.library, self.isTrusted, self.options, self.request) = (library, isTrusted, options, request)
    }
  }

  public let links: [Link]

  /// What all devices that count did so far; nil where none does.
  public var counts: DeviceCounts? {
    links.compactMap(\.device.counts).reduce(nil) { ($0 ?? DeviceCounts()) + $1 }
  }
  public let host: HostServices
  /// Who runs what, where that was measured: it goes before the order.
  public internal(set) var routing: Routing?

  public init(_ links: [Link], host: HostServices) {
    self.links = links
    self.host = host
  }

  /// The memory in which a link's segments find their values.
  func place(of link: Int) -> MemoryPlace { links[link].device.info.hasPrivateMemory ? .device(link) : .host }

  /// Opens a device of each named backend: the one that its option `device` chooses (`deviceIndex(chosenBy:)`), or the
  /// first; `trust` is for whoever checks devices at their first use; its other options are the backend's. A fallback
  /// that is not there is an error too, since nothing is silent.
  public init(
    _ names: [String], registry: BackendRegistry, options: [String: [String: String]] = [:], host: HostServices
  ) throws(BackendError) {
    var links: [Link] = []
    for name in names { links.append(try Self.open(name, registry, options[name] ?? [:], host)) }
    self.init(links, host: host)
  }

  /// The reference alone, by which all others are judged: the one way in which it is opened.
  public static func reference(
    _ registry: BackendRegistry, host: HostServices
  ) throws(BackendError) -> BackendChain {
    try BackendChain(["reference"], registry: registry, host: host)
  }

  package static func open(
    _ name: String, _ registry: BackendRegistry, _ options: [String: String], _ host: HostServices
  ) throws(BackendError) -> Link {
    let backend = try registry.backend(named: name)
    let request = (name: name, options: options)
    var options = options
    let choice = options.removeValue(forKey: "device")
    let index = try choice.map { (choice) throws(BackendError) in try backend.deviceIndex(chosenBy: choice) } ?? 0
    let trust = options.removeValue(forKey: "trust") ?? "false"
    guard let isTrusted = Bool(trust) else {
      throw BackendError(.invalid, "\(backend.identity.name): trust is true or false, not \(trust)")
    }
    let tuned = try TunedOptions(of: backend, device: index).recalled(by: host)
    let given = options
    options = tuned.merging(given) { _, given in given }
    let device: any ComputeDevice
    do {
      device = try backend.open(device: index, options: options, host: host)
    } catch {
      // What the store has is nobody's mistake: it may be spoilt, or of another version of the backend.
      guard !tuned.isEmpty, error.kind == .invalid else { throw error }
      device = try backend.open(device: index, options: given, host: host)
      host.log(2, "\(backend.identity.name): what tune has found is not used (\(error.message)); tune again")
      options = given
    }
    return Link(
      name: backend.identity.name, device: device, version: backend.identity.version,
      library: (backend as? LoadedBackend)?.fileMark ?? "", isTrusted: isTrusted, options: options,
      request: request)
  }
}
