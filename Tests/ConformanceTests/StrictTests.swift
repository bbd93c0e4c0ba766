import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import Testing

/// A convolution that Winograd's F(4×4, 3×3) leads at every instruction set.
private let sample = OperationSample(
  Convolution2D(ConvolutionGeometry(padding: [1, 1, 1, 1])), [.float32([4, 8, 8, 64]), .float32([3, 3, 64, 64])])

private func device(_ options: [String: String]) throws -> any ComputeDevice {
  try OpenBLASBackend().open(device: 0, options: options, host: HostServices(workers: 2))
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct StrictTests {
  @Test("a kernel of a wider bound says so in its verdict and its group; strict takes another, with other bits")
  func verdicts() throws {
    let segment = Segment(try sample.program())
    var fingerprints: Set<UInt64> = []
    for (options, factor, words) in [
      ([:], 2.0, "winograd4 (error bound ×2; strict: winograd2)"),
      (["strict": "false"], 2.0, "winograd4 (error bound ×2; strict: winograd2)"),
      (["strict": "true"], 1.0, "winograd2 (strict; else winograd4)"),
    ] {
      let device = try device(options)
      #expect(try device.query(segment) == [.accept(errorFactor: factor)])
      let report = try device.compile(segment).report
      #expect(report.groupNames[0].contains(words), "\(report.groupNames)")
      fingerprints.insert(report.fingerprint)
    }
    #expect(fingerprints.count == 2)
  }

  @Test("what strict cannot be is an error, and so is another option")
  func errors() throws {
    for (options, words) in [(["strict": "yes"], "true or false, not yes"), (["strickt": "true"], "it has strict")] {
      let error = #expect(throws: BackendError.self) { try device(options) }
      #expect(error?.kind == .invalid && error?.message.contains(words) == true, "\(String(describing: error))")
    }
  }
}
