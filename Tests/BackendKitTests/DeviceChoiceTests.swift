import SwitchbackBackendKit
import SwitchbackReference
import SwitchbackExecution
import Testing

/// Three devices that cannot be opened, but say by error which was asked for.
private struct ThreeDevices: ComputeBackend {
  let identity = BackendIdentity(name: "three", version: "1")

  func devices() throws(BackendError) -> [DeviceInfo] {
    [
      DeviceInfo(name: "pthread-EPYC", vendor: "pocl", driver: "PoCL 3.1", kind: "cpu"),
      DeviceInfo(name: "Radeon RX 7900", vendor: "AMD", driver: "ROCm", kind: "gpu"),
      DeviceInfo(name: "Arc A770", vendor: "Intel", driver: "NEO", kind: "gpu"),
    ]
  }

  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    throw BackendError(.internal, "device \(index), options \(options)")
  }
}

@Suite struct DeviceChoiceTests {
  @Test(
    "a device is chosen by number, kind or a part of its name",
    arguments: [
      ("0", 0), ("2", 2), ("gpu", 1), ("GPU", 1), ("cpu", 0), ("arc", 2), ("intel", 2), ("ROCm", 1), ("RX 7900", 1),
    ])
  func choice(word: String, index: Int) throws {
    #expect(try ThreeDevices().deviceIndex(chosenBy: word) == index)
  }

  @Test("a word that means no device is an error that lists them", arguments: ["3", "-1", "tpu", ""])
  func unknown(word: String) {
    let error = #expect(throws: BackendError.self) { try ThreeDevices().deviceIndex(chosenBy: word) }
    #expect(error?.kind == .unavailable)
    #expect(error?.message.contains("1: Radeon RX 7900 (gpu)") == true)
  }

  @Test("the chain opens the chosen device and hands the backend the other options")
  func chain() throws {
    let registry = BackendRegistry(linked: [ThreeDevices()], folders: [])
    let error = #expect(throws: BackendError.self) {
      _ = try BackendChain(
        ["three"], registry: registry, options: ["three": ["device": "arc", "tile": "8"]],
        host: HostServices(workers: 1))
    }
    #expect(error?.message == "device 2, options [\"tile\": \"8\"]")
  }

  @Test("an option that a backend does not know is an error by name")
  func option() throws {
    let registry = BackendRegistry(linked: [ReferenceBackend()], folders: [])
    let error = #expect(throws: BackendError.self) {
      _ = try BackendChain(
        ["reference"], registry: registry, options: ["reference": ["force": "true"]], host: HostServices(workers: 1))
    }
    #expect(error?.message.contains("no option force") == true)
  }
}
