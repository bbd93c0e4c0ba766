import ArgumentParser
import Switchback

struct BackendsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backends", abstract: "Lists the backends of this machine, and why others cannot be used.",
    discussion: """
      Examples:

        switchback backends
        switchback backends --json
      """)

  @Flag(help: "One JSON array on standard output.")
  var json = false

  private struct Row: Encodable {
    var name: String
    var available: Bool
    var reason: String?
    var devices: [Device]

    struct Device: Encodable {
      var name: String
      var driver: String
    }
  }

  func run() throws {
    let rows = makeRegistry().listings().map { listing in
      Row(
        name: listing.name, available: listing.isAvailable, reason: listing.reason,
        devices: listing.devices.map { Row.Device(name: $0.name, driver: $0.driver) })
    }
    if json {
      Terminal.write(Terminal.json(rows))
      return
    }
    for row in rows {
      Terminal.write("\(row.available ? "✓" : "✗") \(row.name)\(row.reason.map { "  \($0)" } ?? "")")
      for device in row.devices {
        Terminal.write("    \(device.name)\(device.driver.isEmpty ? "" : " · \(device.driver)")")
      }
    }
  }
}
