import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private let fashionFolder = "/usr/share/datasets/fashion-mnist"
private let hasFashion = Image.readsCompressedFiles && FileManager.default.fileExists(atPath: fashionFolder)

/// A home without data.
private func empty() throws -> [String: String] {
  ["SWITCHBACK_DATA": "", "XDG_CACHE_HOME": try temporaryFolder("cache")]
}

@Suite struct FetchTests {
  @Test(
    "fetch and verify of the real Fashion-MNIST; under MNIST's name it is told",
    .enabled(if: hasFashion, "needs Debian's dataset-fashion-mnist"))
  func fashion() throws {
    let served = try temporaryFolder()
    for name in ["mnist", "fashion-mnist"] {
      try FileManager.default.createSymbolicLink(
        atPath: served + "/" + name, withDestinationPath: fashionFolder)
    }
    let server = try FileServer(served)
    var environment = try empty()
    environment["SWITCHBACK_MIRROR"] = server.url
    let fetch = try switchback("data", "fetch", "fashion-mnist", environment: environment)
    #expect(fetch.status == 0, "\(fetch.error)")
    #expect(fetch.output.contains("/cache/switchback/datasets/fashion-mnist"))
    let verify = try switchback("data", "verify", "fashion-mnist", "--json", environment: environment)
    #expect(verify.status == 0)
    #expect(verify.output.contains("\"isRight\":true") && verify.output.contains("\"state\":\"right\""))
    let list = try switchback("data", environment: environment)
    #expect(list.output.contains("✓ fashion-mnist  ") && list.output.contains("✗ mnist"))
    let wrong = try switchback("data", "fetch", "mnist", environment: environment)
    #expect(wrong.status == 66)
    #expect(wrong.error.contains("this is the file of fashion-mnist"), "\(wrong.error)")
    let told = try switchback("data", "verify", "mnist", "--data", fashionFolder, environment: environment)
    #expect(told.status == 65)
    #expect(told.output.contains("t10k-labels-idx1-ubyte: this is the file of fashion-mnist"), "\(told.output)")
  }

  @Test(
    "train and diff fetch MNIST by themselves", .enabled(if: hasMNIST, "needs the real MNIST in ../shared/data/mnist"))
  func train() throws {
    let served = try temporaryFolder()
    try FileManager.default.createSymbolicLink(atPath: served + "/mnist", withDestinationPath: mnistFolder)
    let server = try FileServer(served)
    var environment = try empty()
    environment["SWITCHBACK_MIRROR"] = server.url
    let arguments = ["configs/mnist-linear.yaml", "--steps", "2", "--backend", "reference", "--runs", temporary()]
    let offline = try run(binary, ["train", "--offline"] + arguments, environment)
    #expect(offline.status == 66)
    #expect(try server.requests.isEmpty)
    let outcome = try run(binary, ["train"] + arguments, environment)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.error.contains("fetching \(server.url)/mnist/t10k-labels-idx1-ubyte.gz"))
    #expect(try server.requests.count == 4)
    let elsewhere = try empty().merging(["SWITCHBACK_MIRROR": server.url]) { $1 }
    let diff = ["diff", arguments[0], "--backends", "reference,reference", "--steps", "1", "--replay", temporary()]
    #expect(try run(binary, diff, elsewhere).status == 0)
    #expect(try server.requests.count == 8)
  }

  @Test("without a network train ends with 66, names the files and where to put them, and nothing is left of a run")
  func noNetwork() throws {
    let (runs, environment) = (temporary(), try empty().merging(["SWITCHBACK_MIRROR": "http://127.0.0.1:9"]) { $1 })
    for arguments in [["train", "configs/mnist-mlp.yaml", "--runs", runs], ["data", "fetch", "mnist"]] {
      let outcome = try run(binary, arguments, environment)
      #expect(outcome.status == 66, "\(outcome.error)")
      #expect(outcome.error.contains("train-images-idx3-ubyte.gz"))
      #expect(outcome.error.contains("/cache/switchback/datasets/mnist"))
    }
    #expect(!FileManager.default.fileExists(atPath: runs))
  }

  @Test("files go into the folder that SWITCHBACK_DATA names, where train looks; into none that is another data set's")
  func dataFolder() throws {
    var environment = try empty()
    environment["SWITCHBACK_MIRROR"] = "http://127.0.0.1:9"
    /// The folder that a failed fetch names.
    func folder(of data: String) throws -> String {
      environment["SWITCHBACK_DATA"] = data
      let outcome = try switchback("data", "fetch", "cifar-10", environment: environment)
      #expect(outcome.status == 66, "\(outcome.error)")
      return outcome.error
    }
    let data = try temporaryFolder("data")
    #expect(try folder(of: data).contains(" into \(data)/cifar-10,"))
    #expect(try folder(of: data + "/new").contains(" into \(data)/new/cifar-10,"))
    for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
      try write([1], to: "\(data)/mnist/\(name)-ubyte")
    }
    #expect(try folder(of: data + "/mnist").contains("/cache/switchback/datasets/cifar-10,"))
    // A file stands in the way.
    #expect(try folder(of: "\(data)/mnist/t10k-labels-idx1-ubyte/x").contains("/cache/switchback/datasets/cifar-10,"))
  }

  @Test("the list as JSON")
  func list() throws {
    let outcome = try switchback("data", "list", "--json", "--data", sampleFolder, environment: try empty())
    let rows = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]]
    #expect(rows?.compactMap { $0["name"] as? String } == ["mnist", "fashion-mnist", "cifar-10", "cifar-100"])
    #expect(rows?.first?["folder"] as? String == sampleFolder + "/mnist")
    #expect(rows?.last?["found"] as? Bool == false)
  }
}
