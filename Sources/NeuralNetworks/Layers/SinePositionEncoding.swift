#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
import SwitchbackPrograms

/// y = x + encoding, which says of each step where it stands: feature 2i of step t is sin(t / maxWavelength^(2i/C)),
/// feature 2i + 1 the cosine of the same (Vaswani et al., 2017, §3.5). x and y are `[N, T, C]`.
///
/// Keras's layer gives the encoding alone; this one adds it, so that it stands in a list of layers. `encoding` `[T, C]` is
/// a state that nothing changes: no operation of programs is a sine. Sequences may have any length.
public struct SinePositionEncoding: UnaryLayer {
  /// In steps over 2π, of the slowest wave.
  public var maxWavelength: Double
  public var name: String?
  public var kind: String { "sinePositionEncoding" }
  public var masking: Masking { .passed }

  public init(maxWavelength: Double = 10_000, name: String? = nil) {
    (self.maxWavelength, self.name) = (maxWavelength, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireSequences(input)
    try context.require(
      Self.wavelengths.contains(maxWavelength),
      "max_wavelength must be a number\(Self.wavelengths.words), not \(maxWavelength)")
    let (steps, features) = (input.shape[1], input.shape[2])
    let encoding = try context.parameter(
      "encoding", [steps, features], initializer: .values(numbers(steps, features)), isTrainable: false)
    return try context.append(Binary(.add), input, encoding)
  }

  private static let wavelengths = NumberRange(1...1e9)

  /// The encoding of the first steps, row-major.
  private func numbers(_ steps: Int, _ features: Int) -> [Float] {
    let rates = (0..<features).map { pow(maxWavelength, -Double($0 / 2 * 2) / Double(features)) }
    return (0..<steps).flatMap { step in
      rates.enumerated().map { feature, rate in
        let angle = Double(step) * rate
        return Float(feature % 2 == 0 ? sin(angle) : cos(angle))
      }
    }
  }
}

extension SinePositionEncoding: ConfigurableLayer {
  package static let settings = Settings<SinePositionEncoding>(
    "sine_position_encoding", of: SinePositionEncoding(),
    help: "Adds to each step of sequences [N, T, C] sines and cosines of its place",
    keys: [
      .number(
        "max_wavelength", \.maxWavelength, in: wavelengths, help: "Steps over 2π of the slowest wave")
    ])
}
