import SwitchbackDatasets

/// Reads the section `data.augmentation`.
enum AugmentationReader {
  static func augmentation(_ section: SectionReader) -> Augmentation {
    var made = Augmentation()
    made.flip = section.choice(
      "random_flip", made.flip.rawValue, Augmentation.Flip.allCases.map { ($0.rawValue, $0) },
      help: "Which axes are turned round, each in every second picture")
    (made.heightFactor, made.widthFactor) =
      section.optionalSection("random_translation", help: "By how much pictures are moved, in whole pixels") {
        (
          $0.number(
            "height_factor", made.heightFactor, in: Augmentation.factors, help: "Up or down, at most: of the height"),
          $0.number(
            "width_factor", made.widthFactor, in: Augmentation.factors, help: "Left or right, at most: of the width")
        )
      } ?? (made.heightFactor, made.widthFactor)
    made.cropPadding = section.int(
      "random_crop", made.cropPadding, in: Augmentation.pixels,
      help: "So many pixels are put around a picture, of which its size is cut out")
    made.rotation = section.number(
      "random_rotation", made.rotation, in: Augmentation.rotations, help: "Either way, at most: of a full turn")
    made.zoom = section.number(
      "random_zoom", made.zoom, in: Augmentation.zooms,
      help: "Sizes are multiplied with a number from 1 less this to 1 and this")
    made.cutout = section.int(
      "cutout", made.cutout, in: Augmentation.pixels, help: "The side of a square of zeros anywhere, in pixels; 0: none"
    )
    made.mixup =
      section.optionalSection("mixup", help: "Each sample is mixed with another one of the training part") {
        $0.number(
          "alpha", 0.2, in: Augmentation.alphas,
          help: "The shares are of the distribution Beta(alpha, alpha): near 0 or 1 for a small one")
      } ?? made.mixup
    made.fill = section.choice(
      "fill_mode", made.fill.rawValue, Augmentation.Fill.allCases.map { ($0.rawValue, $0) },
      help: "What is where nothing of a picture is: zeros, or the border's pixel")
    return made
  }
}
