import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackInterchange
import SwitchbackNeuralNetworks
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

/// A file of the format with this header, and bytes behind it.
private func file(_ header: String, _ bytes: Int = 0) -> Data {
  var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
  data += Data(header.utf8)
  return data + Data(count: bytes)
}

/// Numbers that a position of this kind cannot have.
private let forged = [
  "-1", "-9223372036854775808", "9223372036854775807", "281474976710657", "1e300", "\"x\"", "null", "[]", "{}",
]

@Suite struct HostileFileTests {
  @Test(
    "a header that describes no tensors is an error in words",
    arguments: [
      #"{"a":5}"#, #"{"a":null}"#, #"{"a":[]}"#, #"{"a":{}}"#, #"[1]"#, #"5"#, #""text""#, "", "{",
      #"{"a":{"dtype":"F32","shape":[1]}}"#, #"{"a":{"dtype":5,"shape":[1],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#,
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
      #"{"a":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}}"#,
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#,
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}"#,
      String(repeating: "[", count: 100_000),
    ])
  func headers(header: String) {
    #expect(throws: Safetensors.FormatError.self) { try Safetensors(decoding: file(header, 4)) }
  }

  /// A run's checkpoint after four steps, and what goes on with it.
  private func trained() throws -> (checkpoint: Checkpoint, settings: [String]) {
    let settings = [
      "training.epochs=2",
      "training.optimizer={type: adam, gradient_accumulation_steps: 2, ema_momentum: 0.9}",
      "training.reduce_on_plateau={factor: 0.5, patience: 1}",
    ]
    return (try interrupted(makeLoop(smallRun, settings), after: 4), settings)
  }

  /// The checkpoint's file with another text of a metadata entry, and a checksum that fits.
  private func forge(
    _ checkpoint: Checkpoint, _ change: (inout Safetensors) -> Void
  ) throws -> Data {
    var file = try Safetensors(decoding: checkpoint.encoded())
    change(&file)
    file.metadata["checksum"] = Checkpoint.checksum(file)
    return try file.encoded()
  }

  @Test("a forged position is refused, or the run goes on from it and ends; nothing traps or loops")
  func positions() throws {
    let (checkpoint, settings) = try trained()
    let whole = try Safetensors(decoding: checkpoint.encoded()).metadata["position"] ?? ""
    let numbers = whole.matches(of: /"([A-Za-z]+)":(-?[0-9.e+]+)/).map { (String($0.1), String($0.0)) }
    #expect(numbers.count > 12, "\(whole)")
    var goesOn = 0
    for (key, old) in numbers {
      for number in forged + ["3", "1000000"] {
        let data = try forge(checkpoint) {
          $0.metadata["position"] = whole.replacingOccurrences(of: old, with: "\"\(key)\":\(number)")
        }
        do {
          let forged = try Checkpoint(decoding: data)
          let loop = try makeLoop(smallRun, settings, going: forged)
          _ = try loop.run(from: forged)
          goesOn += 1
        } catch {}
      }
    }
    #expect(goesOn > 0)
  }

  @Test(
    "a tensor of another type or shape is refused by name, with all that is written to it",
    arguments: ["F64", "I64", "F16", "BF16", "I32", "U8"])
  func types(type: String) throws {
    let (checkpoint, settings) = try trained()
    let sizes = ["F64": 8, "I64": 8, "F16": 2, "BF16": 2, "I32": 4, "U8": 1]
    let data = try forge(checkpoint) { file in
      let index = file.tensors.firstIndex { $0.name == "layers.1.dense/kernel" }!
      file.tensors[index].type = type
      file.tensors[index].bytes = Data(count: 784 * 16 * sizes[type]!)
    }
    let forged = try Checkpoint(decoding: data)
    let loop = try makeLoop(smallRun, settings, going: forged)
    let error = #expect(throws: CheckpointMismatch.self) { _ = try loop.run(from: forged) }
    #expect(error?.message.contains("layers.1.dense/kernel is \(type)") == true, "\(error?.message ?? "")")
  }

  @Test("files with bytes changed, cut off or doubled, and checksums that fit, are read or refused")
  func mutations() throws {
    let (checkpoint, _) = try trained()
    let whole = try checkpoint.encoded()
    var generator = SplitMix(seed: 7)
    for _ in 0..<(runsLongTests ? 3000 : 300) {
      var data = whole
      let header = Int(whole[0]) | Int(whole[1]) << 8 | Int(whole[2]) << 16
      for _ in 0...Int(generator.next() % 4) {
        data[8 + Int(generator.next() % UInt64(header))] = UInt8(truncatingIfNeeded: generator.next())
      }
      if generator.next() % 5 == 0 { data = data.prefix(Int(generator.next() % UInt64(data.count))) }
      if var file = try? Safetensors(decoding: data) {
        file.metadata["checksum"] = Checkpoint.checksum(file)
        if let encoded = try? file.encoded() { data = encoded }
      }
      if let checkpoint = try? Checkpoint(decoding: data) { _ = try? makeLoop(smallRun).check(checkpoint) }
    }
  }
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same bytes in every run of the test.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
