public import SwitchbackBackendKit

/// Opened devices in order of preference: each operation goes to the first that accepts it.
public struct BackendChain: Sendable {
  public struct Link: Sendable {
    /// The backend's word in configs.
    public let name: String
    public let device: any ComputeDevice

    public init(name: String, device: any ComputeDevice) {
      self.name = name
      self.device = device
    }
  }

  public let links: [Link]
  public let host: HostServices

  public init(_ links: [Link], host: HostServices) {
    self.links = links
    self.host = host
  }

  /// Opens device 0 of each named backend. The first must be there; a fallback that is not there is an error too,
  /// since nothing is silent.
  public init(
    _ names: [String], registry: BackendRegistry, options: [String: [String: String]] = [:], host: HostServices
  ) throws(BackendError) {
    var links: [Link] = []
    for name in names {
      let backend = try registry.backend(named: name)
      let device = try backend.open(device: 0, options: options[name] ?? [:], host: host)
      links.append(Link(name: backend.identity.name, device: device))
    }
    self.init(links, host: host)
  }
}
